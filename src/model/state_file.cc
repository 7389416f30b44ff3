// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/model/state_file.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <system_error>

#include "src/base/checked.h"
#include "src/base/file_reader.h"
#include "src/base/file_writer.h"
#include "src/base/finite.h"
#include "src/base/shown.h"
#include "src/base/status.h"

namespace gemma3 {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMagic = "gemma3st";
constexpr uint64_t kVersion = 1;
constexpr size_t kHeadBytes = 8 + 3 * 8 + 3 * sizeof(Hash128);
constexpr HashKey kSumKey = {0x67656D6D6133, 0x7374617465};
// A piece is hashed while the processor's cache still has it, and threads share the pieces.
constexpr size_t kPieceBytes = size_t{256} << 10;
constexpr uint64_t kNoRows = UINT64_MAX;
// Far above any state, so that a file of holes is not the reason for an allocation.
constexpr uint64_t kMaxNotesBytes = uint64_t{256} << 20;
constexpr uint64_t kMaxIndexBytes = uint64_t{64} << 20;

constexpr char kNotFinite[] = "soft tokens of a picture are no finite numbers";

constexpr std::array<LayerKind, 2> kKinds = {LayerKind::kLocal, LayerKind::kGlobal};

Hash128 Sum(std::span<const std::byte> bytes) {
  return SipHash128(kSumKey, {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
}

Status CheckHost() {
  if constexpr (std::endian::native == std::endian::little) return {};
  return Fail(ErrorCode::kUnsupported,
              "saved states are of little-endian machines, and this one is big-endian");
}

// ---- Numbers and bytes in a row

class Encoder {
 public:
  void Raw(std::span<const std::byte> bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }
  template <class T>
  void Values(std::span<const T> values) {
    Raw(std::as_bytes(values));
  }
  void Number(uint64_t n) { Values(std::span<const uint64_t>(&n, 1)); }
  void Hash(const Hash128& hash) {
    Number(hash.low);
    Number(hash.high);
  }
  void Text(std::string_view text) {
    Number(text.size());
    Values(std::span(text));
  }
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

// What does not fit reads as zeros and empty, and Complete() says so in the end.
class Decoder {
 public:
  explicit Decoder(std::span<const std::byte> bytes) : left_(bytes) {}

  uint64_t Number() {
    uint64_t n = 0;
    Values(std::span(&n, 1));
    return n;
  }
  // A number of elements of `bytes` bytes each, at least, that follow.
  size_t Count(size_t bytes) {
    const uint64_t n = Number();
    if (n <= left_.size() / bytes) return n;
    Overrun();
    return 0;
  }
  template <class T>
  void Values(std::span<T> values) {
    if (values.size_bytes() > left_.size()) return Overrun();
    if (values.empty()) return;
    std::memcpy(values.data(), left_.data(), values.size_bytes());
    left_ = left_.subspan(values.size_bytes());
  }
  Hash128 Hash() {
    Hash128 hash;
    hash.low = Number();
    hash.high = Number();
    return hash;
  }
  std::string Text() {
    std::string text(Count(1), '\0');
    Values(std::span(text));
    return text;
  }
  bool Complete() const { return !overrun_ && left_.empty(); }

 private:
  void Overrun() {
    overrun_ = true;
    left_ = {};
  }
  std::span<const std::byte> left_;
  bool overrun_ = false;
};

// ---- The index

struct Index {
  StateIdentity identity;
  bool has_cache = false;
  uint64_t positions = 0;
  uint64_t first_local = 0;
  std::array<uint64_t, 2> page_bytes = {};  // in the order of kKinds
  std::vector<TokenId> ids;
  std::vector<uint64_t> floats;  // of the soft tokens
  std::vector<ImageRun> images;  // without rows
  std::vector<uint64_t> rows;    // of each image: which soft tokens
  std::vector<Hash128> hashes;
  std::vector<Hash128> sums;

  uint64_t tiles() const { return KvCache::NumTiles(positions); }
};

void Encode(const Index& index, Encoder& out) {
  out.Number(index.identity.fields.size());
  for (const auto& [name, value] : index.identity.fields) {
    out.Text(name);
    out.Text(value);
  }
  out.Number(index.has_cache);
  out.Number(index.positions);
  out.Number(index.first_local);
  for (const uint64_t bytes : index.page_bytes) out.Number(bytes);
  out.Number(index.ids.size());
  out.Values(std::span(index.ids));
  out.Number(index.floats.size());
  out.Values(std::span(index.floats));
  out.Number(index.images.size());
  for (size_t i = 0; i < index.images.size(); ++i) {
    out.Number(index.images[i].begin);
    out.Number(index.images[i].count);
    out.Number(index.rows[i]);
    out.Hash(index.hashes[i]);
  }
  out.Number(index.sums.size());
  for (const Hash128& sum : index.sums) out.Hash(sum);
}

// False where the bytes are no index.
bool Decode(std::span<const std::byte> bytes, Index& index) {
  Decoder in(bytes);
  for (size_t n = in.Count(2 * sizeof(uint64_t)); n > 0; --n) {
    std::string name = in.Text();
    index.identity.fields.emplace_back(std::move(name), in.Text());
  }
  const uint64_t has_cache = in.Number();
  index.has_cache = has_cache == 1;
  index.positions = in.Number();
  index.first_local = in.Number();
  for (uint64_t& page_bytes : index.page_bytes) page_bytes = in.Number();
  index.ids.resize(in.Count(sizeof(TokenId)));
  in.Values(std::span(index.ids));
  index.floats.resize(in.Count(sizeof(uint64_t)));
  in.Values(std::span(index.floats));
  for (size_t n = in.Count(3 * sizeof(uint64_t) + sizeof(Hash128)); n > 0; --n) {
    ImageRun& image = index.images.emplace_back();
    image.begin = in.Number();
    image.count = in.Number();
    index.rows.push_back(in.Number());
    index.hashes.push_back(in.Hash());
  }
  for (size_t n = in.Count(sizeof(Hash128)); n > 0; --n) index.sums.push_back(in.Hash());
  return in.Complete() && has_cache <= 1;
}

// How much data an index speaks of.
struct DataSize {
  uint64_t bytes = 0;
  uint64_t pieces = 0;
  uint64_t cache_bytes = 0;  // the pages among them
};

// Nothing where the numbers are too large to be any file's.
std::optional<DataSize> SizeOfData(const Index& index) {
  DataSize size;
  const auto add = [&size](uint64_t parts, std::optional<uint64_t> bytes) {
    constexpr uint64_t kMax = uint64_t{1} << 48;
    const auto all = bytes && *bytes <= kMax ? CheckedMul(parts, *bytes) : std::nullopt;
    if (!all || *all > kMax - size.bytes) return false;
    size.bytes += *all;
    size.pieces += parts * ((*bytes + kPieceBytes - 1) / kPieceBytes);
    return true;
  };
  for (const uint64_t floats : index.floats) {
    if (!add(1, CheckedMul(floats, sizeof(float)))) return std::nullopt;
  }
  const uint64_t rows = size.bytes;
  if (!add(index.tiles() - index.first_local, index.page_bytes[0]) ||
      !add(index.tiles(), index.page_bytes[1])) {
    return std::nullopt;
  }
  size.cache_bytes = size.bytes - rows;
  return size;
}

// What is wrong with an index, whatever the model; nullptr: nothing. It is asked of what is to be
// written, too, so that what was written can be read.
const char* Contradiction(const Index& index) {
  if (index.positions > index.ids.size()) return "more positions are computed than there are ids";
  if (index.first_local > index.tiles()) return "its local pages begin behind its end";
  if (!index.has_cache && (index.positions | index.page_bytes[0] | index.page_bytes[1]) != 0) {
    return "it has pages without a cache";
  }
  uint64_t end = 0, used = 0;
  for (size_t i = 0; i < index.images.size(); ++i) {
    const ImageRun& image = index.images[i];
    if (image.begin < end || image.begin > index.ids.size() || image.count == 0 ||
        image.count > index.ids.size() - image.begin) {
      return "its pictures overlap, are out of order or behind its end";
    }
    end = image.end();
    if (image.begin < index.positions && index.positions < end)
      return "a picture is computed in part";
    if (index.rows[i] == kNoRows) continue;
    if (index.rows[i] > used || index.rows[i] >= index.floats.size()) {
      return "its soft tokens are out of order";
    }
    used = std::max(used, index.rows[i] + 1);
    const uint64_t floats = index.floats[index.rows[i]];
    if (floats == 0 || floats % image.count != 0) return "its soft tokens are no rows";
  }
  if (used != index.floats.size()) return "it has soft tokens of no picture";
  return nullptr;
}

// Why a model cannot go on from there, though nothing contradicts itself; empty: it can.
std::string Misfit(const Index& index, const TextConfig& config) {
  if (index.first_local > KvCache::FirstTileSeenAt(config, index.positions)) {
    return "local pages that its next position sees are missing";
  }
  // Ids at the places of soft tokens are not looked up.
  auto image = index.images.begin();
  for (size_t i = 0; i < index.ids.size(); ++i) {
    if (image != index.images.end() && image->begin == i) {
      i = image->end() - 1;
      ++image;
      continue;
    }
    const TokenId id = index.ids[i];
    if (id < 0 || static_cast<size_t>(id) >= config.vocab_size) {
      return "token " + std::to_string(id) + " at " + std::to_string(i) +
             " is outside the model's " + std::to_string(config.vocab_size) + " embeddings";
    }
  }
  for (size_t i = 0; i < index.images.size(); ++i) {
    // Counts are below that of ids, and so the product does not overflow.
    if (index.rows[i] != kNoRows &&
        index.images[i].count * config.hidden_size != index.floats[index.rows[i]]) {
      return "the soft tokens of a picture are not as wide as the model";
    }
  }
  return {};
}

// Each part by itself, cut every kPieceBytes.
template <class Byte>
std::vector<std::span<Byte>> Pieces(const std::vector<std::span<Byte>>& parts) {
  std::vector<std::span<Byte>> pieces;
  for (std::span<Byte> left : parts) {
    while (!left.empty()) {
      const auto piece = left.first(std::min(kPieceBytes, left.size()));
      pieces.push_back(piece);
      left = left.subspan(piece.size());
    }
  }
  return pieces;
}

// ---- Reading

std::unexpected<Error> Damaged(const std::string& path, std::string_view what) {
  return Fail(ErrorCode::kBadModel, path, ": the saved state is damaged (", what,
              "); use a copy of it, or remove it and compute anew");
}

// A file whose head is sound.
struct Opened {
  FileReader file;
  uint64_t notes_bytes = 0;
  uint64_t index_bytes = 0;
  Hash128 notes_sum = {}, index_sum = {};

  uint64_t index_begin() const { return kHeadBytes + notes_bytes; }
  uint64_t data_begin() const { return index_begin() + index_bytes; }
};

Result<Opened> Open(const std::string& path) {
  GEMMA3_CHECK_OK(CheckHost());
  GEMMA3_TRY(FileReader file, FileReader::Open(path));
  std::array<std::byte, kHeadBytes> head = {};
  const size_t have = std::min<uint64_t>(file.size(), kHeadBytes);
  GEMMA3_CHECK_OK(file.ReadAt(0, std::span(head).first(have)));
  if (have < kMagic.size() || std::memcmp(head.data(), kMagic.data(), kMagic.size()) != 0) {
    return Fail(ErrorCode::kBadModel, path, " is no saved state: it begins with other bytes");
  }
  Decoder in(std::span<const std::byte>(head).subspan(kMagic.size()));
  const uint64_t version = in.Number();
  if (have == kHeadBytes && version != kVersion) {
    return Fail(ErrorCode::kUnsupported, path, " is a saved state of version ", version,
                ", and this program reads version ", kVersion,
                "; use the program that saved it, or remove it and compute anew");
  }
  Opened opened{std::move(file)};
  opened.notes_bytes = in.Number();
  opened.index_bytes = in.Number();
  opened.notes_sum = in.Hash();
  opened.index_sum = in.Hash();
  if (have < kHeadBytes || in.Hash() != Sum(std::span(head).first(kHeadBytes - sizeof(Hash128)))) {
    return Damaged(path, "its head");
  }
  if (opened.notes_bytes > kMaxNotesBytes || opened.index_bytes > kMaxIndexBytes) {
    return Damaged(path, "its head speaks of absurd sizes");
  }
  return opened;
}

std::unexpected<Error> CutOff(const Opened& opened, uint64_t bytes) {
  return Damaged(opened.file.path(), "it is cut off at " + std::to_string(opened.file.size()) +
                                         " of " + std::to_string(bytes) + " bytes");
}

Result<std::string> ReadNotes(const Opened& opened) {
  if (opened.file.size() < opened.index_begin()) return CutOff(opened, opened.index_begin());
  std::string notes(opened.notes_bytes, '\0');
  GEMMA3_CHECK_OK(opened.file.ReadAt(kHeadBytes, std::as_writable_bytes(std::span(notes))));
  if (Sum(std::as_bytes(std::span(notes))) != opened.notes_sum) {
    return Damaged(opened.file.path(), "its notes");
  }
  return notes;
}

// The index, free of contradictions, and as much data behind it as it says.
Result<Index> ReadIndex(const Opened& opened) {
  const std::string& path = opened.file.path();
  if (opened.file.size() < opened.data_begin()) return CutOff(opened, opened.data_begin());
  std::vector<std::byte> bytes(opened.index_bytes);
  GEMMA3_CHECK_OK(opened.file.ReadAt(opened.index_begin(), bytes));
  if (Sum(bytes) != opened.index_sum) return Damaged(path, "its index");
  Index index;
  if (!Decode(bytes, index)) return Damaged(path, "its index is no such thing");
  if (const char* what = Contradiction(index)) return Damaged(path, what);
  const std::optional<DataSize> data = SizeOfData(index);
  if (!data) return Damaged(path, "its index speaks of absurd sizes");
  const uint64_t end = opened.data_begin() + data->bytes;
  if (opened.file.size() < end) return CutOff(opened, end);
  if (opened.file.size() > end) {
    return Damaged(path, std::to_string(opened.file.size() - end) + " bytes follow its end");
  }
  if (data->pieces != index.sums.size()) return Damaged(path, "its number of checksums");
  return index;
}

Status CheckIdentity(const std::string& path, const StateIdentity& found,
                     const StateIdentity& expected) {
  const auto value_of = [](const StateIdentity& identity, const std::string& name) {
    const auto it =
        std::ranges::find(identity.fields, name, &std::pair<std::string, std::string>::first);
    return it == identity.fields.end() ? nullptr : &it->second;
  };
  const auto shown = [](const std::string* value) {
    return value ? '"' + Shown(*value) + '"' : std::string("nothing");
  };
  const auto differs = [&](const std::string& name) {
    return Fail(ErrorCode::kUnsupported, path, ": the state was saved with ", Shown(name), " ",
                shown(value_of(found, name)), ", and here it is ", shown(value_of(expected, name)),
                "; it can be gone on from only where both are the same");
  };
  for (const auto& [name, value] : expected.fields) {
    const std::string* const other = value_of(found, name);
    if (!other || *other != value) return differs(name);
  }
  for (const auto& [name, value] : found.fields) {
    if (!value_of(expected, name)) return differs(name);
  }
  return {};
}

Status CheckPages(const std::string& path, const Index& index, const KvPool& pool) {
  std::array<size_t, 2> here = {};
  for (size_t i = 0; i < kKinds.size(); ++i) here[i] = pool.page_bytes(kKinds[i]);
  if (!index.has_cache || std::ranges::equal(index.page_bytes, here)) return {};
  return Fail(ErrorCode::kUnsupported, path, ": the state's pages are of ", index.page_bytes[0],
              " and ", index.page_bytes[1], " bytes, and here they are of ", here[0], " and ",
              here[1], "; it belongs to another model or to other types of keys and values");
}

// Fills the pieces from the file, one behind the other from `begin` on.
Status ReadData(const FileReader& file, uint64_t begin, const std::vector<Hash128>& sums,
                const std::vector<std::span<std::byte>>& pieces, ThreadPool* threads) {
  std::vector<uint64_t> offsets;
  for (uint64_t offset = begin; const auto& piece : pieces) {
    offsets.push_back(offset);
    offset += piece.size();
  }
  std::mutex mutex;
  Status status;
  const auto read = [&](size_t i, size_t) {
    Status done = file.ReadAt(offsets[i], pieces[i]);
    if (done && Sum(pieces[i]) != sums[i]) {
      done = Damaged(file.path(), "at byte " + std::to_string(offsets[i]));
    }
    if (done) return;
    const std::lock_guard lock(mutex);
    if (status) status = std::move(done);
  };
  if (threads) {
    threads->ParallelFor(pieces.size(), read);
  } else {
    for (size_t i = 0; i < pieces.size() && status; ++i) read(i, 0);
  }
  return status;
}

// ---- Writing

// The name may be one of the user's files, by mistake.
Status CheckReplaceable(const std::string& path) {
  std::error_code error;
  if (!fs::exists(path, error)) return {};  // where that cannot be told, writing will fail
  GEMMA3_TRY(const FileReader file, FileReader::Open(path));
  std::array<std::byte, kMagic.size()> magic = {};
  if (file.size() == 0) return {};
  if (file.size() >= magic.size()) GEMMA3_CHECK_OK(file.ReadAt(0, magic));
  if (std::memcmp(magic.data(), kMagic.data(), magic.size()) == 0) return {};
  return Fail(ErrorCode::kInvalidArgument, path,
              " exists and is no saved state, so it is not replaced; choose another name, or "
              "remove it");
}

// The bytes of soft tokens, each once, then of pages. Fills in where they stand.
std::vector<std::span<const std::byte>> CollectData(const StateView& state, Index& index) {
  std::vector<std::span<const std::byte>> parts;
  for (const ImageRun& image : state.images) {
    if (!image.rows) {
      index.rows.push_back(kNoRows);
      continue;
    }
    const auto bytes = std::as_bytes(std::span(*image.rows));
    // Of one object, or the same in two.
    const auto same = std::ranges::find_if(parts, [bytes](const auto& part) {
      return part.data() == bytes.data() || std::ranges::equal(part, bytes);
    });
    index.rows.push_back(static_cast<uint64_t>(same - parts.begin()));
    if (same != parts.end()) continue;
    parts.push_back(bytes);
    index.floats.push_back(image.rows->size());
  }
  if (!state.cache) return parts;
  const KvCache& cache = *state.cache;
  index.has_cache = true;
  index.positions = cache.size();
  for (size_t i = 0; i < kKinds.size(); ++i) {
    index.page_bytes[i] = cache.pool()->page_bytes(kKinds[i]);
  }
  while (index.first_local < index.tiles() && !cache.page(LayerKind::kLocal, index.first_local)) {
    ++index.first_local;
  }
  for (size_t tile = 0; tile < index.tiles(); ++tile) {
    for (size_t i = 0; i < kKinds.size(); ++i) {
      const std::byte* const page = cache.page(kKinds[i], tile);
      if (page) parts.emplace_back(page, index.page_bytes[i]);
    }
  }
  return parts;
}

}  // namespace

Status WriteState(const std::string& path, const StateView& state,
                  const ProgressCallback& on_progress) {
  GEMMA3_CHECK_OK(CheckHost());
  GEMMA3_CHECK_OK(CheckReplaceable(path));
  const auto refuse = [&](std::string_view what) {
    return Fail(ErrorCode::kInvalidArgument, "cannot save a state to ", path, ": ", what);
  };
  if (state.images.size() != state.hashes.size()) return refuse("not every picture has a hash");
  if (state.notes.size() > kMaxNotesBytes) return refuse("its notes are too long");
  Index index;
  index.identity = state.identity;
  index.ids.assign(state.ids.begin(), state.ids.end());
  index.hashes.assign(state.hashes.begin(), state.hashes.end());
  for (const ImageRun& image : state.images) {
    index.images.push_back({.begin = image.begin, .count = image.count, .rows = nullptr});
  }
  const auto pieces = Pieces(CollectData(state, index));
  if (const char* what = Contradiction(index)) return refuse(what);
  if (state.cache) {
    const std::string what = Misfit(index, state.cache->pool()->config());
    if (!what.empty()) return refuse(what);
  }
  for (const ImageRun& image : state.images) {
    if (image.rows && !AllFinite(*image.rows)) return refuse(kNotFinite);
  }

  Progress progress{Progress::Stage::kWriting, 0, 0};
  for (const auto& piece : pieces) progress.total += piece.size();
  const auto cancelled = [&] { return on_progress && !on_progress(progress); };
  const auto stop = [&] { return Fail(ErrorCode::kCancelled, "writing ", path, " was cancelled"); };
  for (const auto& piece : pieces) {
    if (cancelled()) return stop();
    index.sums.push_back(Sum(piece));
  }

  Encoder coded;
  Encode(index, coded);
  if (coded.bytes().size() > kMaxIndexBytes) return refuse("it is too long");
  Encoder head;
  head.Values(std::span(kMagic));
  head.Number(kVersion);
  head.Number(state.notes.size());
  head.Number(coded.bytes().size());
  head.Hash(Sum(std::as_bytes(std::span(state.notes))));
  head.Hash(Sum(coded.bytes()));
  head.Hash(Sum(head.bytes()));

  GEMMA3_TRY(FileWriter writer, FileWriter::Create(path, FileAccess::kPrivate));
  GEMMA3_CHECK_OK(writer.Append(head.bytes()));
  GEMMA3_CHECK_OK(writer.Append(std::as_bytes(std::span(state.notes))));
  GEMMA3_CHECK_OK(writer.Append(coded.bytes()));
  for (const auto& piece : pieces) {
    if (cancelled()) return stop();
    GEMMA3_CHECK_OK(writer.Append(piece));
    progress.done += piece.size();
  }
  if (cancelled()) return stop();
  return writer.Commit();
}

Result<SavedState> ReadState(const std::string& path, const StateIdentity& expected,
                             const std::shared_ptr<KvPool>& pool, ThreadPool* threads) {
  GEMMA3_TRY(const Opened opened, Open(path));
  GEMMA3_TRY(Index index, ReadIndex(opened));
  GEMMA3_CHECK_OK(CheckIdentity(path, index.identity, expected));
  GEMMA3_CHECK_OK(CheckPages(path, index, *pool));
  if (const std::string what = Misfit(index, pool->config()); !what.empty()) {
    return Damaged(path, what);
  }
  SavedState state;
  GEMMA3_TRY(state.notes, ReadNotes(opened));

  std::vector<std::span<std::byte>> parts;
  std::vector<std::shared_ptr<std::vector<float>>> rows;
  for (const uint64_t floats : index.floats) {
    rows.push_back(std::make_shared<std::vector<float>>(floats));
    parts.push_back(std::as_writable_bytes(std::span(*rows.back())));
  }
  std::array<std::vector<KvPage>, 2> pages;
  for (size_t tile = 0; tile < index.tiles(); ++tile) {
    for (size_t i = 0; i < kKinds.size(); ++i) {
      KvPage& page = pages[i].emplace_back();
      if (kKinds[i] == LayerKind::kLocal && tile < index.first_local) continue;
      auto taken = pool->Take(kKinds[i]);
      if (!taken) return Fail(taken.error().code, path, ": ", taken.error().message);
      page = *std::move(taken);
      parts.emplace_back(page.get(), index.page_bytes[i]);
    }
  }
  GEMMA3_CHECK_OK(ReadData(opened.file, opened.data_begin(), index.sums, Pieces(parts), threads));

  for (const auto& values : rows) {
    if (!AllFinite(*values)) return Damaged(path, kNotFinite);
  }
  for (size_t i = 0; i < index.images.size(); ++i) {
    if (index.rows[i] != kNoRows) index.images[i].rows = rows[index.rows[i]];
  }
  if (index.has_cache) {
    GEMMA3_TRY(state.cache,
               KvCache::FromPages(pool, index.positions, std::move(pages[0]), std::move(pages[1])));
  }
  state.ids = std::move(index.ids);
  state.images = std::move(index.images);
  state.hashes = std::move(index.hashes);
  return state;
}

Result<std::string> ReadStateNotes(const std::string& path) {
  GEMMA3_TRY(const Opened opened, Open(path));
  return ReadNotes(opened);
}

Result<StateHeader> ReadStateHeader(const std::string& path) {
  GEMMA3_TRY(const Opened opened, Open(path));
  GEMMA3_TRY(Index index, ReadIndex(opened));
  StateHeader header;
  header.identity = std::move(index.identity);
  header.ids = std::move(index.ids);
  header.images = std::move(index.images);
  header.hashes = std::move(index.hashes);
  header.has_cache = index.has_cache;
  header.positions = index.positions;
  header.cache_bytes = SizeOfData(index)->cache_bytes;
  header.file_bytes = opened.file.size();
  return header;
}

}  // namespace gemma3
