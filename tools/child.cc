// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "tools/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <utility>

#include "src/base/status.h"

namespace gemma3::cli {
namespace {

using namespace std::chrono_literals;

// The groups that KillChildren ends. A handler may touch lock-free atomics and nothing else. A
// child that finds no place here is still ended by its destructor.
std::array<std::atomic<pid_t>, 64> g_groups;
static_assert(std::atomic<pid_t>::is_always_lock_free);

void Remember(pid_t group) {
  for (std::atomic<pid_t>& place : g_groups) {
    pid_t none = 0;
    if (place.compare_exchange_strong(none, group)) return;
  }
}
void Forget(pid_t group) {
  for (std::atomic<pid_t>& place : g_groups) {
    pid_t known = group;
    if (place.compare_exchange_strong(known, 0)) return;
  }
}

void Close(int& fd) {
  if (fd >= 0) ::close(fd);
  fd = -1;
}

struct Pipe {
  int read = -1, write = -1;
  ~Pipe() {
    Close(read);
    Close(write);
  }
  bool Open() {
    int ends[2];
    if (::pipe(ends) != 0) return false;
    read = ends[0];
    write = ends[1];
    return Keep(read) && Keep(write);
  }

 private:
  // No other child may inherit an end: one that held it would keep the pipe open. And none may lie
  // where the child's streams will be, as it does where ours are closed.
  static bool Keep(int& end) {
    const int kept = ::fcntl(end, F_DUPFD_CLOEXEC, 3);
    Close(end);
    end = kept;
    return kept >= 0;
  }
};

}  // namespace

Result<std::vector<std::string>> SplitCommand(std::string_view line) {
  std::vector<std::string> words;
  bool in_word = false;
  char quote = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote == 0 && (c == ' ' || c == '\t' || c == '\n')) {
      in_word = false;
      continue;
    }
    if (!in_word) words.emplace_back();
    in_word = true;
    if (quote == 0 && (c == '"' || c == '\'')) {
      quote = c;
    } else if (c == quote) {
      quote = 0;
    } else if (c == '\\' && quote != '\'' && i + 1 < line.size() &&
               (quote == 0 || line[i + 1] == '"' || line[i + 1] == '\\')) {
      words.back() += line[++i];
    } else {
      words.back() += c;
    }
  }
  if (quote != 0) {
    return Fail(ErrorCode::kInvalidArgument, "the command has a ", quote,
                " that is not closed: ", line);
  }
  if (words.empty() || words[0].empty()) {
    return Fail(ErrorCode::kInvalidArgument, "the command is empty");
  }
  return words;
}

Result<Child> Child::Start(const std::vector<std::string>& command) {
  Pipe in, out, err;
  if (!in.Open() || !out.Open() || !err.Open()) {
    return Fail(ErrorCode::kIo, "cannot start ", command[0], ": ", std::strerror(errno));
  }
  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);

  // vfork, since fork copies the page tables of gigabytes of weights. The child runs on this stack
  // until it has become the command, so that it can say why it could not (where vfork is fork, its
  // exit code 127 says it); no handler of ours may run in it.
  volatile int error = 0;
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  const pid_t pid = ::vfork();
#pragma GCC diagnostic pop
  if (pid == 0) {
    ::setpgid(0, 0);
#ifdef __linux__
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE}) ::signal(number, SIG_DFL);
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    if (::dup2(in.read, 0) == 0 && ::dup2(out.write, 1) == 1 && ::dup2(err.write, 2) == 2) {
#ifdef __linux__
      ::close_range(3, ~0u, 0);  // also what others opened to be inherited
#endif
      ::execvp(argv[0], argv.data());
    }
    error = errno;
    ::_exit(127);
  }
  const int vfork_error = errno;
  if (pid > 0) {
    ::setpgid(pid, pid);  // in vain where the child has done it
    Remember(pid);
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) {
    return Fail(ErrorCode::kIo, "cannot start ", command[0], ": ", std::strerror(vfork_error));
  }

  Child child;
  child.pid_ = pid;
  child.in_ = std::exchange(in.write, -1);
  child.out_ = std::exchange(out.read, -1);
  child.err_ = std::exchange(err.read, -1);
  if (error != 0) {
    return Fail(ErrorCode::kIo, "cannot start ", command[0], ": ", std::strerror(error));
  }
  for (const int fd : {child.in_, child.out_, child.err_}) {
    ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
  }
  return child;
}

Child::Child(Child&& other) noexcept { *this = std::move(other); }

Child& Child::operator=(Child&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(in_, other.in_);
  std::swap(out_, other.out_);
  std::swap(err_, other.err_);
  std::swap(dropped_, other.dropped_);
  std::swap(code_, other.code_);
  return *this;
}

Child::~Child() {
  (void)Finish();
  Close(out_);
  Close(err_);
}

void Child::CloseInput() { Close(in_); }

Child::Ended Child::Exchange(std::string_view* input, bool close_input, std::string* output,
                             size_t max_output, std::string* errors, size_t max_errors,
                             Clock::time_point deadline, const Cancelled& cancelled) {
  if (close_input && input->empty()) CloseInput();
  if (cancelled && cancelled()) return Ended::kCancelled;
  const auto now = Clock::now();
  if (now >= deadline) return Ended::kDeadline;
  if (out_ < 0 && err_ < 0 && (in_ < 0 || input->empty())) return Ended::kEof;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - now);
  // Poll leaves out what has a negative descriptor.
  pollfd fds[] = {{input->empty() ? -1 : in_, POLLOUT, 0}, {out_, POLLIN, 0}, {err_, POLLIN, 0}};
  const int ready = ::poll(fds, 3, static_cast<int>(std::min(left, 50ms).count()));
  if (ready <= 0) return Ended::kNo;

  if (fds[0].revents != 0) {
    const ssize_t n = ::write(in_, input->data(), input->size());
    if (n >= 0) {
      input->remove_prefix(static_cast<size_t>(n));
    } else if (errno != EAGAIN && errno != EINTR) {  // it does not read any more
      CloseInput();
      *input = {};
    }
    if (close_input && input->empty()) CloseInput();
  }
  char buffer[64 << 10];
  const auto read = [&](int& fd, short events) -> std::string_view {
    if (fd < 0 || events == 0) return {};
    const ssize_t n = ::read(fd, buffer, sizeof(buffer));
    if (n > 0) return {buffer, static_cast<size_t>(n)};
    if (n == 0 || (errno != EAGAIN && errno != EINTR)) Close(fd);
    return {};
  };
  const std::string_view more = read(out_, fds[1].revents);
  const size_t kept = std::min(more.size(), max_output - std::min(max_output, output->size()));
  output->append(more.substr(0, kept));
  dropped_ += more.size() - kept;
  errors->append(read(err_, fds[2].revents));
  if (errors->size() > max_errors) errors->erase(0, errors->size() - max_errors);
  return out_ < 0 && fds[1].fd >= 0 ? Ended::kEof : Ended::kNo;
}

bool Child::HasEnded() {
  if (pid_ < 0) return true;
  // Not reaped: until the group is killed, its number must not be given to another.
  siginfo_t info = {};
  return ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
         info.si_pid == pid_;
}

int Child::Finish() {
  CloseInput();
  if (pid_ < 0) return code_;
  ::kill(-pid_, SIGKILL);
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  Forget(pid_);
  pid_ = -1;
  code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return code_;
}

int Child::FinishPolitely(std::chrono::milliseconds patience) {
  CloseInput();
  const auto begin = Clock::now();
  bool asked = false;
  while (!HasEnded() && Clock::now() - begin < patience) {
    if (!asked && Clock::now() - begin > patience / 2) {
      asked = true;
      ::kill(-pid_, SIGTERM);
    }
    // What it still says has nobody to read it, but must not block it.
    std::string_view none;
    std::string dropped;
    if (Exchange(&none, true, &dropped, 0, &dropped, 0, begin + patience, {}) == Ended::kEof) {
      ::poll(nullptr, 0, 5);
    }
  }
  return Finish();
}

void KillChildren() noexcept {
  for (const std::atomic<pid_t>& place : g_groups) {
    if (const pid_t group = place.load()) ::kill(-group, SIGKILL);
  }
}

}  // namespace gemma3::cli
