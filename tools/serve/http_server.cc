// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The only file that knows Boost. Beast reads heads behind CheckHead; sockets, time and signals are
// Asio's; answers are written by hand.
//
// A connection always has a read under way, also while its request is computed: so it learns at
// once that its client has left, and what a client sends ahead waits in `in_`, up to a bound.
//
// Where there is no memory, an exception ends the connection that it came in (Step), and no other.
#include "tools/serve/http_server.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <cstring>
#include <ctime>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <thread>
#include <utility>

#include "src/base/ascii.h"
#include "src/base/status.h"
#include "tools/serve/http_chunks.h"

namespace gemma3::serve {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;
using Socket = asio::generic::stream_protocol::socket;

// What a client may send ahead while its request is computed.
constexpr size_t kAhead = 64 << 10;
// How long, and for how many bytes, a client that was refused may go on sending: closing at once
// would take the answer from it.
constexpr std::chrono::seconds kLinger(2);
constexpr size_t kLingerBytes = 4 << 20;
constexpr std::chrono::milliseconds kTick(250);
constexpr std::chrono::milliseconds kDrainTick(20);

std::string_view ReasonOf(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 204:
      return "No Content";
    case 304:
      return "Not Modified";
    default:
      return http::obsolete_reason(http::int_to_status(static_cast<unsigned>(status)));
  }
}

std::string DateNow() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  char text[40];
  return {text, std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts)};
}

class Connection;

}  // namespace

struct HttpServer::Impl : std::enable_shared_from_this<HttpServer::Impl> {
  asio::io_context io{1};
  HttpLimits limits;
  HttpHandlers handlers;
  std::optional<asio::ip::tcp::acceptor> tcp;
  std::optional<asio::local::stream_protocol::acceptor> local;
  std::string unix_path, url, address;
  bool loopback = true;
  asio::signal_set signals{io};
  int signal_count = 0;
  asio::steady_timer tick{io};
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work;
  std::set<std::shared_ptr<Connection>> connections;
  std::map<std::string, size_t> per_address;
  std::atomic<size_t> busy = 0, open = 0, body_bytes = 0;
  std::atomic<bool> draining = false;
  bool stopped = false;  // what was about to run when it was, must not begin anew
  bool accepting = false, accepting_local = false, ticking = false;  // what is under way
  std::mt19937_64 ids{std::random_device{}()};

  ~Impl() {
    if (!unix_path.empty()) ::unlink(unix_path.c_str());
  }
  Status Open(const std::string& host, uint16_t port);
  Status OpenUnix(const std::string& path);
  void Accept();
  void AcceptUnix();
  void Admit(Socket socket, std::string peer, bool counts);
  void Remove(const std::shared_ptr<Connection>& connection);
  void WaitForSignals();
  void Tick();
  void Begin();
  void End();
  std::string NewId() {
    char text[24];
    std::snprintf(text, sizeof text, "req_%016llx", static_cast<unsigned long long>(ids()));
    return text;
  }
};

namespace {

// ---- An answer on its way from any thread to the connection's

class ExchangeImpl : public Exchange, public std::enable_shared_from_this<ExchangeImpl> {
 public:
  ExchangeImpl(std::shared_ptr<HttpServer::Impl> server, std::weak_ptr<Connection> connection,
               HttpRequest request, bool http11, bool keep_alive);
  ~ExchangeImpl() override;

  const HttpRequest& request() const override { return request_; }
  std::string TakeBody() override {
    server_->body_bytes -= request_.body.size();
    return std::exchange(request_.body, {});
  }
  const CancelFlag& gone() const override { return gone_; }
  bool Reply(HttpResponse response) override;
  bool Begin(HttpResponse head) override;
  bool Write(std::string_view bytes) override;
  void End() override;
  void KeepAlive(HttpResponse head, std::string ping, std::chrono::milliseconds every) override;
  int status() const override {
    const std::scoped_lock lock(mutex_);
    return status_;
  }

  // Nobody will answer it any more.
  void Abandon();

  // For the connection, on its thread.
  void Ping(Clock::time_point now);
  std::string TakePending(bool* ended);
  void Sent(size_t bytes) { unsent_ -= bytes; }
  void Leave() { gone_.Cancel(); }
  bool close() const {
    const std::scoped_lock lock(mutex_);
    return close_;
  }

 private:
  std::string Head(HttpResponse& response, bool whole);
  bool Add(std::string bytes, bool chunk);
  void Post();

  const std::shared_ptr<HttpServer::Impl> server_;
  const std::weak_ptr<Connection> connection_;
  HttpRequest request_;
  const bool http11_;
  CancelFlag gone_;

  mutable std::mutex mutex_;
  int status_ = 0;
  bool ended_ = false, posted_ = false;
  bool close_;            // the connection ends with this answer
  bool chunked_ = false;  // how a streamed body is framed; else by the connection's end
  std::string pending_;
  std::atomic<size_t> unsent_ = 0;
  size_t largest_ = 0;  // of the pieces so far
  std::optional<HttpResponse> ping_head_;
  std::string ping_;
  std::chrono::milliseconds ping_every_{0};
  Clock::time_point last_ = Clock::now();
};

// ---- A connection

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<HttpServer::Impl> server, Socket socket, std::string peer, bool counts)
      : server_(std::move(server)),
        socket_(std::move(socket)),
        peer_(std::move(peer)),
        counts_(counts) {}

  void Start() {
    deadline_ = Clock::now() + server_->limits.idle_time;
    Read();
  }
  void Close();
  void Tick(Clock::time_point now);
  void Flush(const std::shared_ptr<ExchangeImpl>& exchange);
  // Whether it is not between two requests.
  bool under_way() const {
    return state_ != State::kClosed && (state_ != State::kHead || !in_.empty());
  }
  // Does one thing of this connection's. One that fails, for want of memory, ends it.
  template <class Do>
  void Step(const Do& step) {
    try {
      step();
    } catch (const std::exception&) {
      Close();
    }
  }
  void Drain() {
    if (!under_way()) Close();
  }
  const std::string& peer() const { return peer_; }
  bool counts() const { return counts_; }

 private:
  enum class State { kHead, kBody, kBusy, kLinger, kClosed };
  void Read();
  void OnRead(error_code error, size_t bytes);
  void Process();
  bool ReadHead();
  bool ReadBody();
  bool TakeBody();
  void DropBody();
  bool HasLeft();
  void BeginExchange();
  void Refuse(HttpResponse response);
  void Fault(int status, const std::string& message);
  void Fault(HttpResponse response);
  void Send(std::string bytes);
  void WriteSome();
  void OnWritten(error_code error, size_t bytes);
  void Answered();
  void Linger();

  const std::shared_ptr<HttpServer::Impl> server_;
  Socket socket_;
  const std::string peer_;
  const bool counts_;  // against the bound of its address
  State state_ = State::kHead;
  bool reading_ = false, writing_ = false, answered_ = false, close_after_ = false;
  char block_[16 << 10];
  std::string in_, out_, sending_;
  size_t sent_ = 0, lingered_ = 0;
  Clock::time_point deadline_;
  std::optional<Clock::time_point> write_deadline_;
  size_t body_left_ = 0;               // of a body that has a length
  std::optional<ChunkReader> chunks_;  // of one that comes in chunks
  size_t body_bytes_ = 0,
         body_timed_ = 0;  // of a body that has not ended: those that are held; with the deadline
  HttpRequest request_;
  bool http11_ = true, keep_alive_ = true;
  std::shared_ptr<ExchangeImpl> exchange_;
};

// ---- ExchangeImpl

ExchangeImpl::ExchangeImpl(std::shared_ptr<HttpServer::Impl> server,
                           std::weak_ptr<Connection> connection, HttpRequest request, bool http11,
                           bool keep_alive)
    : server_(std::move(server)),
      connection_(std::move(connection)),
      request_(std::move(request)),
      http11_(http11),
      close_(!keep_alive) {
  ++server_->busy;
}

ExchangeImpl::~ExchangeImpl() {
  TakeBody();
  --server_->busy;
}

std::string ExchangeImpl::Head(HttpResponse& response, bool whole) {
  status_ = response.status;
  close_ = close_ || response.close || server_->draining;
  chunked_ = !whole && http11_;
  if (!whole && !http11_) close_ = true;
  std::string head = "HTTP/1.1 " + std::to_string(response.status) + " " +
                     std::string(ReasonOf(response.status)) + "\r\nDate: " + DateNow() + "\r\n";
  const bool bodiless = response.status == 204 || response.status == 304;
  if (!response.content_type.empty() && !bodiless) {
    head += "Content-Type: " + response.content_type + "\r\n";
  }
  if (whole && !bodiless) {
    head += "Content-Length: " + std::to_string(response.body.size()) + "\r\n";
  }
  if (chunked_) head += "Transfer-Encoding: chunked\r\n";
  if (!request_.id.empty()) head += "X-Request-Id: " + request_.id + "\r\n";
  for (const HttpHeader& header : response.headers) {
    head += header.name + ": " + header.value + "\r\n";
  }
  head += close_ ? "Connection: close\r\n\r\n" : "Connection: keep-alive\r\n\r\n";
  return head;
}

// With the lock held.
bool ExchangeImpl::Add(std::string bytes, bool chunk) {
  if (gone_.cancelled()) return false;
  if (chunk && chunked_ && !bytes.empty()) {
    char size[24];
    std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
    bytes = size + bytes + "\r\n";
  }
  unsent_ += bytes.size();
  pending_ += bytes;
  last_ = Clock::now();
  Post();
  return true;
}

void ExchangeImpl::Post() {
  if (posted_) return;
  asio::post(server_->io, [self = shared_from_this()] {
    const auto connection = self->connection_.lock();
    if (connection) connection->Step([&] { connection->Flush(self); });
  });
  posted_ = true;
}

bool ExchangeImpl::Reply(HttpResponse response) {
  const std::scoped_lock lock(mutex_);
  if (status_ != 0) return false;
  std::string bytes = Head(response, /*whole=*/true);
  const bool bodiless =
      request_.method == "HEAD" || response.status == 204 || response.status == 304;
  if (!bodiless) bytes += response.body;
  ended_ = true;
  if (!Add(std::move(bytes), false)) Post();
  return true;
}

bool ExchangeImpl::Begin(HttpResponse head) {
  const std::scoped_lock lock(mutex_);
  if (status_ != 0) return !gone_.cancelled();
  if (!Add(Head(head, /*whole=*/false), false)) return false;
  return head.body.empty() || Add(std::move(head.body), true);
}

bool ExchangeImpl::Write(std::string_view bytes) {
  const std::scoped_lock lock(mutex_);
  if (ended_) return false;
  if (bytes.empty()) return !gone_.cancelled();
  // A piece has any size, and some more may follow it at once.
  if (unsent_ > server_->limits.unsent_bytes + largest_) {
    gone_.Cancel();  // it is read too slowly; Flush ends the connection
    Post();
    return false;
  }
  largest_ = std::max(largest_, bytes.size());
  return Add(std::string(bytes), true);
}

void ExchangeImpl::End() {
  const std::scoped_lock lock(mutex_);
  if (ended_) return;
  ended_ = true;
  if (!Add(chunked_ ? "0\r\n\r\n" : "", false)) Post();
}

void ExchangeImpl::Abandon() {
  try {
    {
      const std::scoped_lock lock(mutex_);
      if (ended_) return;
      if (status_ != 0 || gone_.cancelled()) {  // a stream that breaks off must not look whole
        gone_.Cancel();
        return Post();
      }
    }
    Reply(server_->handlers.fault(request_, 500, "the request was not answered"));
  } catch (const std::exception&) {
    gone_.Cancel();  // no memory to say so: Tick ends the connection
  }
}

void ExchangeImpl::KeepAlive(HttpResponse head, std::string ping, std::chrono::milliseconds every) {
  const std::scoped_lock lock(mutex_);
  ping_head_ = std::move(head);
  ping_ = std::move(ping);
  ping_every_ = every;
}

void ExchangeImpl::Ping(Clock::time_point now) {
  const std::scoped_lock lock(mutex_);
  if (ended_ || ping_every_.count() == 0 || now - last_ < ping_every_) return;
  if (status_ == 0 && !Add(Head(*ping_head_, /*whole=*/false), false)) return;
  Add(ping_, true);
}

std::string ExchangeImpl::TakePending(bool* ended) {
  const std::scoped_lock lock(mutex_);
  posted_ = false;
  *ended = ended_;
  return std::exchange(pending_, {});
}

// ---- Connection

void Connection::Close() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  DropBody();
  if (exchange_) std::exchange(exchange_, nullptr)->Leave();
  error_code ignored;
  socket_.close(ignored);
  server_->Remove(shared_from_this());
}

void Connection::Read() {
  const size_t ahead = state_ == State::kBusy ? kAhead : SIZE_MAX;
  if (reading_ || state_ == State::kClosed || in_.size() >= ahead) return;
  reading_ = true;
  socket_.async_read_some(asio::buffer(block_),
                          [self = shared_from_this()](error_code error, size_t bytes) {
                            self->Step([&] { self->OnRead(error, bytes); });
                          });
}

void Connection::OnRead(error_code error, size_t bytes) {
  reading_ = false;
  if (state_ == State::kClosed) return;
  if (error) return Close();  // a client that closes its side is taken for gone
  if (state_ == State::kLinger) {
    lingered_ += bytes;
    if (lingered_ > kLingerBytes) return Close();
    return Read();
  }
  if (state_ == State::kHead && in_.empty()) deadline_ = Clock::now() + server_->limits.head_time;
  in_.append(block_, bytes);
  Process();
  Read();
}

// Goes as far as what has come allows.
void Connection::Process() {
  while ((state_ == State::kHead && ReadHead()) || (state_ == State::kBody && ReadBody())) {
  }
}

// True: the state is another one.
bool Connection::ReadHead() {
  if (in_.starts_with("\r\n")) in_.erase(0, 2);  // RFC 9112, 2.2
  const size_t end = in_.find("\r\n\r\n");
  if (end == std::string::npos) {
    if (auto fault = CheckPartOfHead(in_, server_->limits.head)) {
      Fault(fault->status, fault->message);
    }
    return false;
  }
  const std::string head = in_.substr(0, end + 4);
  request_ = {};
  request_.peer = peer_;
  request_.id = server_->NewId();
  if (auto fault = CheckHead(head, server_->limits.head)) {
    Fault(fault->status, fault->message);
    return false;
  }
  in_.erase(0, head.size());
  http::request_parser<http::empty_body> parser;
  parser.header_limit(static_cast<uint32_t>(server_->limits.head.bytes));
  parser.body_limit(boost::none);
  error_code error;
  parser.put(asio::buffer(head), error);
  if (error || !parser.is_header_done()) {
    Fault(400, "the head cannot be read: " + error.message());
    return false;
  }
  const auto& message = parser.get();
  http11_ = message.version() == 11;
  keep_alive_ = message.keep_alive();
  request_.method = std::string(message.method_string());
  const std::string target(message.target());
  const size_t query = target.find('?');
  request_.path = target.substr(0, query);
  if (query != std::string::npos) request_.query = target.substr(query + 1);
  for (const auto& field : message) {
    request_.headers.push_back(
        {AsciiLower(std::string(field.name_string())), std::string(field.value())});
  }
  if (const auto id = request_.Header("x-request-id"); IsPlainId(id)) request_.id = id;
  const uint64_t length = parser.content_length() ? *parser.content_length() : 0;
  const bool has_body = parser.chunked() || length > 0;
  const auto most = server_->handlers.check(request_);
  if (!most) {
    HttpResponse refusal = most.error();
    if (has_body) refusal.close = true;  // its body is not read
    Refuse(std::move(refusal));
    return false;
  }
  if (length > *most) {
    Fault(413, "the body is larger than " + std::to_string(*most) + " bytes");
    return false;
  }
  if (const auto expect = request_.Header("expect"); !expect.empty() && has_body) {
    if (AsciiLower(expect) != "100-continue") {
      Fault(417, "the only expectation known here is 100-continue");
      return false;
    }
    if (in_.empty() && http11_) Send("HTTP/1.1 100 Continue\r\n\r\n");
  }
  body_left_ = static_cast<size_t>(length);
  if (parser.chunked()) chunks_.emplace(*most, server_->limits.head);
  state_ = State::kBody;
  body_timed_ = 0;
  deadline_ = Clock::now() + server_->limits.body_time;
  return true;
}

// Takes what has come. False: it was refused.
bool Connection::TakeBody() {
  std::string& body = chunks_ ? chunks_->body() : request_.body;
  if (chunks_) {
    if (auto fault = chunks_->Take(in_)) {
      Fault(fault->status, fault->message);
      return false;
    }
  } else {
    const size_t bytes = std::min(body_left_, in_.size());
    body.append(in_, 0, bytes);
    in_.erase(0, bytes);
    body_left_ -= bytes;
  }
  server_->body_bytes += body.size() - body_bytes_;
  body_bytes_ = body.size();
  if (server_->body_bytes > server_->limits.all_bodies_bytes) {
    HttpResponse full = server_->handlers.fault(
        request_, 503, "other requests fill the memory that there is for them; try again soon");
    full.headers.push_back({"Retry-After", "1"});
    Fault(std::move(full));
    return false;
  }
  return true;
}

// It is held by the exchange now, or by nobody.
void Connection::DropBody() {
  server_->body_bytes -= std::exchange(body_bytes_, 0);
  chunks_.reset();
}

bool Connection::ReadBody() {
  if (!TakeBody()) return false;
  if (chunks_ ? !chunks_->done() : body_left_ > 0) {
    const auto time = server_->limits.body_time;
    const auto enough = static_cast<size_t>(time.count()) * 1024 / 1000;  // a KiB each second
    if (body_bytes_ - body_timed_ >= enough) {
      body_timed_ = body_bytes_;
      deadline_ = Clock::now() + time;
    }
    return false;
  }
  if (chunks_) request_.body = std::move(chunks_->body());
  BeginExchange();
  std::shared_ptr<Exchange> exchange(exchange_.get(),
                                     [owned = exchange_](Exchange*) { owned->Abandon(); });
  try {
    server_->handlers.handle(std::move(exchange));
  } catch (const std::exception&) {  // what it has let go of is answered by Abandon
  }
  return true;
}

void Connection::BeginExchange() {
  exchange_ = std::make_shared<ExchangeImpl>(server_, weak_from_this(), std::move(request_),
                                             http11_, keep_alive_);
  server_->body_bytes += exchange_->request().body.size();
  DropBody();
  state_ = State::kBusy;
  answered_ = false;
}

void Connection::Refuse(HttpResponse response) {
  BeginExchange();
  exchange_->Reply(std::move(response));
}

// Of the transport: what follows on this connection has no meaning.
void Connection::Fault(int status, const std::string& message) {
  Fault(server_->handlers.fault(request_, status, message));
}

void Connection::Fault(HttpResponse response) {
  response.close = true;
  in_.clear();
  request_.body = {};
  Refuse(std::move(response));
}

void Connection::Flush(const std::shared_ptr<ExchangeImpl>& exchange) {
  if (state_ == State::kClosed || exchange != exchange_) return;
  bool ended = false;
  std::string bytes = exchange->TakePending(&ended);
  if (exchange->gone().cancelled()) return Close();  // it was read too slowly
  answered_ = ended;
  close_after_ = exchange->close();
  Send(std::move(bytes));
  if (answered_ && out_.empty() && !writing_) Answered();
}

void Connection::Send(std::string bytes) {
  if (out_.empty()) {
    out_ = std::move(bytes);
  } else {
    out_ += bytes;
  }
  if (!writing_ && !out_.empty()) {
    sending_ = std::exchange(out_, {});
    sent_ = 0;
    WriteSome();
  }
}

void Connection::WriteSome() {
  writing_ = true;
  write_deadline_ = Clock::now() + server_->limits.write_time;
  socket_.async_write_some(asio::buffer(sending_.data() + sent_, sending_.size() - sent_),
                           [self = shared_from_this()](error_code error, size_t bytes) {
                             self->Step([&] { self->OnWritten(error, bytes); });
                           });
}

void Connection::OnWritten(error_code error, size_t bytes) {
  writing_ = false;
  write_deadline_.reset();
  if (state_ == State::kClosed) return;
  if (error) return Close();
  sent_ += bytes;
  if (exchange_) exchange_->Sent(bytes);
  if (sent_ < sending_.size()) return WriteSome();
  sending_.clear();
  if (!out_.empty()) return Send({});
  if (answered_) Answered();
}

void Connection::Answered() {
  answered_ = false;
  exchange_.reset();
  if (close_after_) return Linger();
  state_ = State::kHead;
  deadline_ = Clock::now() + (in_.empty() ? server_->limits.idle_time : server_->limits.head_time);
  if (server_->draining && in_.empty()) return Close();
  Process();
  Read();
}

void Connection::Linger() {
  state_ = State::kLinger;
  deadline_ = Clock::now() + kLinger;
  in_.clear();
  error_code ignored;
  socket_.shutdown(Socket::shutdown_send, ignored);
  Read();
}

// Whether the client has closed its side behind what it has sent ahead, of which no more is read.
bool Connection::HasLeft() {
  pollfd state = {socket_.native_handle(), POLLRDHUP, 0};
  return ::poll(&state, 1, 0) > 0;
}

void Connection::Tick(Clock::time_point now) {
  if (write_deadline_ && now > *write_deadline_) return Close();
  switch (state_) {
    case State::kHead:
      if (now > deadline_) {
        if (in_.empty()) return Close();
        request_ = {};
        Fault(408, "the head took too long");
      }
      return;
    case State::kBody:
      if (now > deadline_) Fault(408, "the body took too long");
      return;
    case State::kBusy:
      if (exchange_->gone().cancelled() || (!reading_ && HasLeft())) return Close();
      return exchange_->Ping(now);
    case State::kLinger:
      if (now > deadline_) Close();
      return;
    case State::kClosed:
      return;
  }
}

}  // namespace

// ---- The server

Status HttpServer::Impl::Open(const std::string& host, uint16_t port) {
  error_code error;
  asio::ip::tcp::resolver resolver(io);
  const auto found = resolver.resolve(
      host, std::to_string(port),
      asio::ip::tcp::resolver::numeric_service | asio::ip::tcp::resolver::passive, error);
  if (error || found.empty()) {
    return Fail(ErrorCode::kIo, "no address is called ", host, ": ", error.message());
  }
  const asio::ip::tcp::endpoint endpoint = found.begin()->endpoint();
  tcp.emplace(io);
  if (!tcp->open(endpoint.protocol(), error) && !error) {
    tcp->set_option(asio::socket_base::reuse_address(true), error);
    error.clear();
    if (endpoint.address().is_v6()) tcp->set_option(asio::ip::v6_only(false), error);
    error.clear();
  }
  if (!error) tcp->bind(endpoint, error);
  if (!error) tcp->listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    const bool taken = error == asio::error::address_in_use;
    return Fail(ErrorCode::kIo, "cannot listen on ", host, ":", port, ": ", error.message(),
                taken ? " (--port N names another port, 0 a free one)" : "");
  }
  const auto bound = tcp->local_endpoint(error);
  address = bound.address().to_string();
  loopback = bound.address().is_loopback();
  url = "http://" + (bound.address().is_v6() ? "[" + address + "]" : address) + ":" +
        std::to_string(bound.port());
  return {};
}

Status HttpServer::Impl::OpenUnix(const std::string& path) {
  error_code error;
  struct stat info {};
  if (::lstat(path.c_str(), &info) == 0) {
    if (!S_ISSOCK(info.st_mode)) {
      return Fail(ErrorCode::kIo, path, " is there and is no socket");
    }
    asio::local::stream_protocol::socket probe(io);
    probe.connect(asio::local::stream_protocol::endpoint(path), error);
    if (!error) return Fail(ErrorCode::kIo, path, " is another server's, which answers");
    ::unlink(path.c_str());
    error.clear();
  }
  if (path.size() >= sizeof(sockaddr_un::sun_path)) {
    return Fail(ErrorCode::kIo, path, ": too long for the path of a socket");
  }
  local.emplace(io);
  local->open(asio::local::stream_protocol(), error);
  // For this user and group alone, from its first moment on.
  const mode_t before = ::umask(0117);
  if (!error) local->bind(asio::local::stream_protocol::endpoint(path), error);
  ::umask(before);
  if (!error) local->listen(asio::socket_base::max_listen_connections, error);
  if (error) return Fail(ErrorCode::kIo, "cannot listen on ", path, ": ", error.message());
  unix_path = path;
  url = "unix:" + path;
  return {};
}

void HttpServer::Impl::Accept() {
  tcp->async_accept([self = shared_from_this()](error_code error, asio::ip::tcp::socket socket) {
    self->accepting = false;
    if (self->stopped || error)
      return;  // such as no file number left: others must end first, Tick goes on
    error_code ignored;
    const auto remote = socket.remote_endpoint(error).address();
    socket.set_option(asio::ip::tcp::no_delay(true), ignored);
    if (!error) self->Admit(Socket(std::move(socket)), remote.to_string(), !remote.is_loopback());
    self->Accept();
  });
  accepting = true;
}

void HttpServer::Impl::AcceptUnix() {
  local->async_accept(
      [self = shared_from_this()](error_code error, asio::local::stream_protocol::socket socket) {
        self->accepting_local = false;
        if (self->stopped || error) return;
        self->Admit(Socket(std::move(socket)), "unix", false);
        self->AcceptUnix();
      });
  accepting_local = true;
}

void HttpServer::Impl::Admit(Socket socket, std::string peer, bool counts) {
  const bool crowd = counts && per_address[peer] >= limits.connections_per_address;
  if (connections.size() >= limits.connections || crowd) {
    static constexpr std::string_view kFull =
        "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n"
        "Connection: close\r\n\r\n";
    [[maybe_unused]] const ssize_t sent =
        ::send(socket.native_handle(), kFull.data(), kFull.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return;
  }
  size_t* const of_address = counts ? &per_address[peer] : nullptr;
  const auto connection =
      std::make_shared<Connection>(shared_from_this(), std::move(socket), std::move(peer), counts);
  connections.insert(connection);
  if (of_address != nullptr) ++*of_address;
  open = connections.size();
  connection->Step([&] { connection->Start(); });
}

void HttpServer::Impl::Remove(const std::shared_ptr<Connection>& connection) {
  if (connections.erase(connection) == 0) return;
  open = connections.size();
  if (connection->counts() && --per_address[connection->peer()] == 0) {
    per_address.erase(connection->peer());
  }
}

void HttpServer::Impl::WaitForSignals() {
  signals.async_wait([self = shared_from_this()](error_code error, int) {
    if (error || self->stopped) return;
    self->WaitForSignals();
    self->handlers.on_signal(++self->signal_count);
  });
}

void HttpServer::Impl::Tick() {
  tick.expires_after(draining ? kDrainTick : kTick);
  tick.async_wait([self = shared_from_this()](error_code error) {
    self->ticking = false;
    if (error || self->stopped) return;
    const auto now = Clock::now();
    bool under_way = self->busy > 0;
    for (auto it = self->connections.begin(); it != self->connections.end();) {
      const auto connection = *it++;  // which may take itself out
      connection->Step([&] { connection->Tick(now); });
      under_way = under_way || connection->under_way();
    }
    if (self->draining && !under_way) return self->End();
    self->Begin();
  });
  ticking = true;
}

// Whatever must be under way and is not.
void HttpServer::Impl::Begin() {
  if (stopped) return;
  if (!ticking) Tick();
  if (tcp && !accepting) Accept();
  if (local && !accepting_local) AcceptUnix();
}

void HttpServer::Impl::End() {
  stopped = true;
  error_code ignored;
  if (tcp) tcp->close(ignored);
  if (local) local->close(ignored);
  signals.cancel(ignored);
  signals.clear(ignored);  // another one has the system's own effect: it ends what still works
  tick.cancel();
  while (!connections.empty()) {
    const auto connection = *connections.begin();
    connection->Close();
  }
  work.reset();
}

Result<std::unique_ptr<HttpServer>> HttpServer::Listen(const std::string& host, uint16_t port,
                                                       const HttpLimits& limits,
                                                       HttpHandlers handlers) {
  try {
    auto impl = std::make_shared<Impl>();
    impl->limits = limits;
    impl->handlers = std::move(handlers);
    if (host.starts_with("unix:")) {
      GEMMA3_CHECK_OK(impl->OpenUnix(host.substr(5)));
    } else if (host.ends_with(".sock")) {
      GEMMA3_CHECK_OK(impl->OpenUnix(host));
    } else {
      GEMMA3_CHECK_OK(impl->Open(host, port));
    }
    if (impl->handlers.on_signal) {
      impl->signals.add(SIGINT);
      impl->signals.add(SIGTERM);
      impl->WaitForSignals();
    }
    return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
  } catch (const boost::system::system_error& e) {
    return Fail(ErrorCode::kIo, "cannot listen on ", host, ": ", e.what());
  }
}

HttpServer::~HttpServer() {
  Stop();
  // What is posted holds what it is posted to.
  impl_->io.restart();
  impl_->io.poll();
}

std::string HttpServer::url() const { return impl_->url; }
bool HttpServer::is_loopback() const { return impl_->loopback; }
bool HttpServer::is_unix() const { return impl_->local.has_value(); }
std::string HttpServer::bound_address() const { return impl_->address; }
size_t HttpServer::connections() const { return impl_->open; }

void HttpServer::Run() {
  impl_->work.emplace(impl_->io.get_executor());
  for (;;) {
    try {
      impl_->Begin();
      impl_->io.run();
      return;
    } catch (const std::exception&) {  // outside of a connection: no memory to accept one
      std::this_thread::sleep_for(kTick);
    }
  }
}

void HttpServer::Drain() {
  impl_->draining = true;
  asio::post(impl_->io, [impl = impl_] {
    for (auto it = impl->connections.begin(); it != impl->connections.end();) {
      const auto connection = *it++;
      connection->Drain();
    }
  });
}

void HttpServer::Stop() {
  asio::post(impl_->io, [impl = impl_] { impl->End(); });
}

}  // namespace gemma3::serve
