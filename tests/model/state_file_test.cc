// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A sequence that was saved goes on with the bits of one that never stopped; and whatever happened
// to the file, or to the process that wrote it, there is a whole state or an error.
#include "src/model/state_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "src/base/file_map.h"
#include "src/model/transformer.h"
#include "tests/support/small_state.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"

namespace gemma3 {
namespace {

using testing::kSmallStateTypes;
using testing::kStateHeadBytes;
using testing::NumberAt;
using testing::SetNumber;
using testing::SmallStateConfig;

constexpr std::array<LayerKind, 2> kKinds = {LayerKind::kLocal, LayerKind::kGlobal};

std::string Contents(const std::string& path) { return *ReadFile(path, SIZE_MAX); }

StateIdentity Identity() { return {{{"model", "tiny"}, {"cache", "f16 f16"}}}; }

std::vector<TokenId> Ids(size_t count) {
  std::vector<TokenId> ids;
  for (size_t i = 0; i < count; ++i) ids.push_back(static_cast<TokenId>(i * 7 % 300));
  return ids;
}

// A cache of random bytes, which is all that the file knows of them.
KvCache RandomCache(const std::shared_ptr<KvPool>& pool, size_t size, bool settle, uint32_t seed) {
  std::mt19937 random(seed);
  KvCache cache(pool);
  EXPECT_TRUE(cache.MakeRoom(size));
  for (const LayerKind kind : kKinds) {
    const auto first =
        std::ranges::find(pool->config().layers, kind) - pool->config().layers.begin();
    if (static_cast<size_t>(first) == pool->config().num_layers) continue;
    for (size_t tile = 0; tile < KvCache::NumTiles(size); ++tile) {
      std::byte* const page = cache.layer(static_cast<size_t>(first)).pages[tile];
      std::generate_n(page, pool->page_bytes(kind), [&] { return std::byte(random() & 0xFF); });
    }
  }
  cache.Append(size);
  if (settle) cache.Settle(size);
  return cache;
}

void ExpectSameCache(const KvCache& a, const KvCache& b) {
  ASSERT_EQ(a.size(), b.size());
  for (const LayerKind kind : kKinds) {
    ASSERT_EQ(a.pool()->page_bytes(kind), b.pool()->page_bytes(kind));
    for (size_t tile = 0; tile < KvCache::NumTiles(a.size()); ++tile) {
      const std::byte *const x = a.page(kind, tile), *const y = b.page(kind, tile);
      ASSERT_EQ(x == nullptr, y == nullptr) << "tile " << tile;
      if (!x) continue;
      ASSERT_EQ(std::memcmp(x, y, a.pool()->page_bytes(kind)), 0) << "tile " << tile;
    }
  }
}

class StateFileTest : public ::testing::Test {
 protected:
  StateFileTest() : pool_(NewPool()) {}

  static std::shared_ptr<KvPool> NewPool(size_t bytes = SIZE_MAX) {
    return std::make_shared<KvPool>(SmallStateConfig(), kSmallStateTypes, bytes);
  }
  // 150 ids, of which 140 are computed; four pictures, two of them alike and one without its rows.
  void WriteConversation(const std::string& path) const {
    const auto rows = std::make_shared<const std::vector<float>>(16, 1.5f);
    const auto other = std::make_shared<const std::vector<float>>(16, -1.5f);
    const std::vector<ImageRun> images = {
        {10, 4, rows}, {14, 4, rows}, {20, 4, nullptr}, {142, 4, other}};
    const std::vector<Hash128> hashes = {{1, 2}, {1, 2}, {3, 4}, {5, 6}};
    const std::vector<TokenId> ids = Ids(150);
    const KvCache cache = RandomCache(pool_, 140, true, 1);
    const Status written = WriteState(path, {.identity = identity_,
                                             .notes = "{\"messages\": []}",
                                             .ids = ids,
                                             .images = images,
                                             .hashes = hashes,
                                             .cache = &cache});
    ASSERT_TRUE(written) << written.error().message;
  }
  // The file at path() replaced by these bytes.
  void Overwrite(std::string_view bytes) const { folder_.Write("state", bytes); }
  std::string path() const { return folder_.path() + "/state"; }
  Result<SavedState> Read() const { return ReadState(path(), identity_, pool_); }
  size_t FilesIn() const {
    const std::filesystem::directory_iterator files(folder_.path());
    return static_cast<size_t>(std::distance(begin(files), end(files)));
  }

  const testing::TempFolder folder_;
  const StateIdentity identity_ = Identity();
  const std::shared_ptr<KvPool> pool_;
};

void ExpectError(const Error& error, ErrorCode code, const std::string& words) {
  EXPECT_EQ(ErrorCodeName(error.code), std::string(ErrorCodeName(code))) << error.message;
  EXPECT_NE(error.message.find(words), std::string::npos)
      << error.message << "\n  lacks: " << words;
}

TEST_F(StateFileTest, WhatIsReadIsWhatWasWritten) {
  ThreadPool threads(3);
  uint32_t seed = 0;
  for (const KvType local : {KvType::kF32, KvType::kF16, KvType::kBF16, KvType::kInt8}) {
    for (const KvType global : {KvType::kF32, KvType::kF16, KvType::kBF16, KvType::kInt8}) {
      // Pages of more and of less than a piece.
      TextConfig config = testing::TinyTextConfig().text;
      if (seed % 4 == 3) config.head_dim = 256;
      const KvTypes types = {local, global};
      const auto pool = std::make_shared<KvPool>(config, types, SIZE_MAX);
      const size_t size = std::array<size_t, 6>{200, 1, 64, 0, 129, 63}[seed % 6];
      ++seed;
      const KvCache cache = RandomCache(pool, size, seed % 3 != 0, seed);
      const std::vector<TokenId> ids = Ids(size + seed % 2);
      const std::string notes = "notes " + std::string(seed, '\0');
      ASSERT_TRUE(
          WriteState(path(), {.identity = identity_, .notes = notes, .ids = ids, .cache = &cache}));

      const auto other = std::make_shared<KvPool>(config, types, SIZE_MAX);
      auto state = ReadState(path(), identity_, other, seed % 2 ? &threads : nullptr);
      ASSERT_TRUE(state) << state.error().message;
      EXPECT_EQ(state->notes, notes);
      EXPECT_EQ(state->ids, ids);
      ASSERT_TRUE(state->cache);
      ExpectSameCache(*state->cache, cache);
      EXPECT_EQ(state->cache->pool(), other);
      EXPECT_EQ(other->bytes_in_use(), cache.BytesBeside(KvCache(pool)));
      for (size_t n = 0; n <= size; ++n) {
        EXPECT_EQ(state->cache->CanTruncate(n), cache.CanTruncate(n)) << n;
      }
      const auto header = ReadStateHeader(path());
      ASSERT_TRUE(header);
      EXPECT_EQ(header->identity, identity_);
      EXPECT_EQ(header->ids, ids);
      EXPECT_EQ(header->positions, size);
      EXPECT_TRUE(header->has_cache);
      EXPECT_EQ(header->cache_bytes, other->bytes_in_use());
      EXPECT_EQ(header->file_bytes, std::filesystem::file_size(path()));
      // Some hundred bytes, 4 of each id and 16 of each piece of 256 KiB.
      EXPECT_LE(header->file_bytes, header->cache_bytes * 1.001 + 4 * ids.size() + 1000);
      EXPECT_EQ(ReadStateNotes(path()), notes);
    }
  }
}

TEST_F(StateFileTest, PicturesComeWithTheirRowsEachOnce) {
  WriteConversation(path());
  const auto state = Read();
  ASSERT_TRUE(state) << state.error().message;
  ASSERT_EQ(state->images.size(), 4u);
  const std::vector<Hash128> hashes = {{1, 2}, {1, 2}, {3, 4}, {5, 6}};
  EXPECT_EQ(state->hashes, hashes);
  EXPECT_EQ(state->images[3].begin, 142u);
  EXPECT_EQ(state->images[3].count, 4u);
  EXPECT_EQ(*state->images[0].rows, std::vector<float>(16, 1.5f));
  EXPECT_EQ(state->images[1].rows, state->images[0].rows);
  EXPECT_EQ(state->images[2].rows, nullptr);
  EXPECT_EQ(*state->images[3].rows, std::vector<float>(16, -1.5f));
  const auto header = ReadStateHeader(path());
  ASSERT_TRUE(header);
  EXPECT_EQ(header->hashes, hashes);
  EXPECT_EQ(header->images[1].begin, 14u);
  // Saved again, also where equal rows lie in two objects, they are the same bytes.
  std::vector<ImageRun> images = state->images;
  images[1].rows = std::make_shared<const std::vector<float>>(*images[1].rows);
  const std::string before = Contents(path());
  ASSERT_TRUE(WriteState(path(), {.identity = identity_,
                                  .notes = state->notes,
                                  .ids = state->ids,
                                  .images = images,
                                  .hashes = hashes,
                                  .cache = &*state->cache}));
  EXPECT_TRUE(Contents(path()) == before);
}

// Written by a script from the description of the file. Where this fails, the description and the
// version have to change, too.
TEST_F(StateFileTest, TheFileIsTheOneDescribed) {
  for (const std::string name : {"empty", "notes", "short", "pictures"}) {
    const std::string seed = GEMMA3_SOURCE_DIR "/tests/fuzz/seeds/state/" + name;
    const StateIdentity identity = name == "empty" ? StateIdentity{} : identity_;
    const auto state = ReadState(seed, identity, pool_);
    ASSERT_TRUE(state) << state.error().message;
    EXPECT_EQ(state->cache.has_value(), name == "short" || name == "pictures");
    if (name == "short") {
      EXPECT_EQ(state->ids, (std::vector<TokenId>{2, 105, 106}));
    } else if (name == "notes") {
      EXPECT_EQ(state->notes, "{\"messages\": []}");
    } else if (name == "pictures") {
      EXPECT_EQ(state->cache->page(LayerKind::kGlobal, 0)[9], std::byte{3});
    }
    ASSERT_TRUE(WriteState(path(), {.identity = identity,
                                    .notes = state->notes,
                                    .ids = state->ids,
                                    .images = state->images,
                                    .hashes = state->hashes,
                                    .cache = state->cache ? &*state->cache : nullptr}));
    EXPECT_TRUE(Contents(path()) == Contents(seed)) << name;
  }
}

TEST_F(StateFileTest, AForkIsSavedAsItWas) {
  KvCache cache = RandomCache(pool_, 100, false, 1);
  ASSERT_TRUE(cache.MakeRoom(150));  // pages in advance are not saved
  const KvCache fork = cache.Fork();
  const std::vector<TokenId> ids = Ids(100);
  const StateView view{.identity = identity_, .ids = ids, .cache = &cache};
  ASSERT_TRUE(WriteState(path(), view));
  const std::string first = Contents(path());
  // What goes on writes on a page of its own.
  ASSERT_TRUE(cache.MakeRoom(130));
  std::memset(cache.layer(1).pages[1], 1, 64);
  cache.Append(130);
  ASSERT_TRUE(WriteState(path(), {.identity = identity_, .ids = ids, .cache = &fork}));
  EXPECT_TRUE(Contents(path()) == first);
  ASSERT_TRUE(WriteState(path(), {.identity = identity_, .ids = Ids(130), .cache = &cache}));
  EXPECT_FALSE(Contents(path()) == first);
}

TEST_F(StateFileTest, OnlyItsOwnerMayReadIt) {
  WriteConversation(path());
  struct stat info = {};
  ASSERT_EQ(::stat(path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_EQ(FilesIn(), 1u);
}

TEST_F(StateFileTest, OtherFilesAreNotReplaced) {
  const StateView view{.identity = identity_};
  for (const std::string text : {"a letter to my mother", "short"}) {
    Overwrite(text);
    const Status written = WriteState(path(), view);
    ASSERT_FALSE(written);
    ExpectError(written.error(), ErrorCode::kInvalidArgument, path() + " exists and is no saved");
    EXPECT_EQ(Contents(path()), text);
    const auto read = Read();
    ASSERT_FALSE(read);
    ExpectError(read.error(), ErrorCode::kBadModel, path() + " is no saved state");
  }
  Overwrite("");
  EXPECT_TRUE(WriteState(path(), view));
  EXPECT_TRUE(WriteState(path(), view));
  const Status over_folder = WriteState(folder_.path(), view);
  ASSERT_FALSE(over_folder);
  ExpectError(over_folder.error(), ErrorCode::kIo, folder_.path() + " is a folder");
}

TEST_F(StateFileTest, ErrorsOfTheSystemSayWhere) {
  const auto missing = Read();
  ASSERT_FALSE(missing);
  ExpectError(missing.error(), ErrorCode::kIo, "cannot open " + path());
  const std::string nowhere = folder_.path() + "/missing/state";
  const Status written = WriteState(nowhere, {.identity = identity_});
  ASSERT_FALSE(written);
  ExpectError(written.error(), ErrorCode::kIo, "cannot write " + nowhere);

  // Without rights; root has all, and so somebody else tries.
  WriteConversation(path());
  ASSERT_EQ(::chmod(folder_.path().c_str(), 0), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    constexpr uid_t kNobody = 65534;
    if (::geteuid() == 0 && ::seteuid(kNobody) != 0) ::_exit(2);
    const auto read = Read();
    const Status replaced = WriteState(path(), {.identity = identity_});
    const bool refused = !read && read.error().code == ErrorCode::kIo &&
                         read.error().message == "cannot open " + path() + ": Permission denied" &&
                         !replaced && replaced.error().code == ErrorCode::kIo &&
                         replaced.error().message.starts_with("cannot write " + path() + ": ");
    ::_exit(refused ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(::chmod(folder_.path().c_str(), 0700), 0);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(Read());
}

TEST_F(StateFileTest, CancelledWritingLeavesTheOldFile) {
  WriteConversation(path());
  const std::string before = Contents(path());
  const KvCache cache = RandomCache(pool_, 100, true, 2);
  const std::vector<TokenId> ids = Ids(100);
  const StateView view{.identity = identity_, .ids = ids, .cache = &cache};
  size_t calls = 0;
  std::vector<Progress> seen;
  ASSERT_TRUE(WriteState(folder_.path() + "/whole", view, [&](const Progress& progress) {
    seen.push_back(progress);
    return ++calls > 0;
  }));
  EXPECT_EQ(seen.back().done, seen.back().total);
  EXPECT_EQ(seen.back().total, 4u * 2176);
  for (size_t stop = 1; stop <= calls; ++stop) {
    size_t call = 0;
    const Status written =
        WriteState(path(), view, [&](const Progress&) { return ++call != stop; });
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().code, ErrorCode::kCancelled);
    EXPECT_TRUE(Contents(path()) == before);
  }
  EXPECT_EQ(FilesIn(), 2u);
}

TEST_F(StateFileTest, AFullDiskLeavesTheOldFile) {
  WriteConversation(path());
  const std::string before = Contents(path());
  const KvCache cache = RandomCache(pool_, 300, true, 2);
  const std::vector<TokenId> ids = Ids(300);
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit = {5000, 5000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    const Status written = WriteState(path(), {.identity = identity_, .ids = ids, .cache = &cache});
    ::_exit(!written && written.error().message.starts_with("cannot write " + path()) ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(Contents(path()) == before);
  EXPECT_EQ(FilesIn(), 1u);
}

TEST_F(StateFileTest, AKilledWriterLeavesTheOldFileOrTheNewOne) {
  std::array<std::string, 2> whole;
  std::vector<KvCache> caches;
  const std::vector<TokenId> ids = Ids(3000);
  const auto view = [&](size_t i) {
    return StateView{.identity = identity_, .ids = ids, .cache = &caches[i]};
  };
  for (size_t i = 0; i < 2; ++i) {
    caches.push_back(RandomCache(pool_, 3000, false, static_cast<uint32_t>(i)));
    ASSERT_TRUE(WriteState(path(), view(i)));
    whole[i] = Contents(path());
  }
  std::mt19937 random(1);
  std::array<size_t, 2> found = {};
  // Longer and longer, until a slow disk has let one be finished as well.
  for (size_t round = 0; round < 40 || (round < 400 && found[0] * found[1] == 0); ++round) {
    const pid_t child = ::fork();
    if (child == 0) {
      for (size_t i = 0;; ++i) (void)WriteState(path(), view(i % 2));
    }
    std::this_thread::sleep_for(std::chrono::microseconds(random() % (500 * (round + 20))));
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
    const std::string now = Contents(path());
    const size_t which = now == whole[1];
    ASSERT_TRUE(now == whole[which]) << "round " << round << ", " << now.size() << " bytes";
    ++found[which];
    ASSERT_TRUE(Read());
  }
  // Else the writer was never killed at work.
  EXPECT_GT(found[0], 0u);
  EXPECT_GT(found[1], 0u);
}

TEST_F(StateFileTest, EveryChangedByteIsNoticed) {
  WriteConversation(path());
  const std::string bytes = Contents(path());
  const size_t notes_end = kStateHeadBytes + NumberAt(bytes, 16);
  const size_t data_begin = notes_end + NumberAt(bytes, 24);
  const KvCache held = RandomCache(pool_, 1, false, 1);  // the pool keeps its memory meanwhile
  const size_t before = pool_->bytes_in_use();
  const int file = ::open(path().c_str(), O_RDWR);
  ASSERT_GE(file, 0);
  std::mt19937 random(1);
  for (size_t i = 0; i < bytes.size(); ++i) {
    const char changed = static_cast<char>(bytes[i] ^ (random() % 2 ? 1 << random() % 8 : 0xFF));
    ASSERT_EQ(::pwrite(file, &changed, 1, static_cast<off_t>(i)), 1);
    const auto state = Read();
    ASSERT_FALSE(state) << "byte " << i;
    ASSERT_TRUE(state.error().message.starts_with(path())) << state.error().message;
    ASSERT_EQ(pool_->bytes_in_use(), before);
    ASSERT_EQ(ReadStateNotes(path()).has_value(), i >= notes_end) << i;
    ASSERT_EQ(ReadStateHeader(path()).has_value(),
              i >= data_begin || (i >= kStateHeadBytes && i < notes_end))
        << i;
    ASSERT_EQ(::pwrite(file, &bytes[i], 1, static_cast<off_t>(i)), 1);
  }
  ::close(file);
  EXPECT_TRUE(Read());
}

TEST_F(StateFileTest, EveryTruncationIsNoticedAndNotesAreSaved) {
  WriteConversation(path());
  const std::string bytes = Contents(path());
  const size_t notes_end = kStateHeadBytes + NumberAt(bytes, 16);
  Overwrite(bytes + '\0');
  ExpectError(Read().error(), ErrorCode::kBadModel, "1 bytes follow its end");
  for (size_t size = bytes.size(); size-- > 0;) {
    ASSERT_EQ(::truncate(path().c_str(), static_cast<off_t>(size)), 0);
    const auto state = Read();
    ASSERT_FALSE(state) << size;
    ASSERT_TRUE(state.error().message.starts_with(path())) << state.error().message;
    ASSERT_FALSE(ReadStateHeader(path())) << size;
    ASSERT_EQ(ReadStateNotes(path()).has_value(), size >= notes_end) << size;
  }
}

TEST_F(StateFileTest, ForeignStatesAreRefusedWithTheReason) {
  WriteConversation(path());
  const auto refused = [&](const StateIdentity& expected, const std::string& words) {
    const auto state = ReadState(path(), expected, pool_);
    ASSERT_FALSE(state);
    ExpectError(state.error(), ErrorCode::kUnsupported, path());
    ExpectError(state.error(), ErrorCode::kUnsupported, words);
  };
  refused({{{"model", "large"}, {"cache", "f32"}}},
          "with model \"tiny\", and here it is \"large\"");
  refused({{{"model", "tiny"}, {"cache", "f32 f16"}}},
          "with cache \"f16 f16\", and here it is \"f32 f16\"");
  refused({{{"model", "tiny"}}}, "with cache \"f16 f16\", and here it is nothing");
  refused({{{"model", "tiny"}, {"cache", "f16 f16"}, {"target", "AVX2"}}},
          "with target nothing, and here it is \"AVX2\"");
  // The messages can be had all the same.
  EXPECT_EQ(ReadStateNotes(path()), "{\"messages\": []}");

  const auto wide =
      std::make_shared<KvPool>(SmallStateConfig(), KvTypes{KvType::kF32, KvType::kF16}, SIZE_MAX);
  const auto state = ReadState(path(), identity_, wide);
  ASSERT_FALSE(state);
  ExpectError(state.error(), ErrorCode::kUnsupported, path() + ": the state's pages");

  std::string bytes = Contents(path());
  SetNumber(bytes, 8, 2);
  Overwrite(bytes);
  ExpectError(Read().error(), ErrorCode::kUnsupported, "is a saved state of version 2");
  ExpectError(ReadStateNotes(path()).error(), ErrorCode::kUnsupported, "version 2");
}

TEST_F(StateFileTest, ThePoolMustHaveRoom) {
  WriteConversation(path());
  const size_t needed = ReadStateHeader(path())->cache_bytes;
  EXPECT_EQ(needed, 5u * 2176);
  const auto small = NewPool(needed - 1);
  const auto state = ReadState(path(), identity_, small);
  ASSERT_FALSE(state);
  ExpectError(state.error(), ErrorCode::kOutOfMemory, path() + ": ");
  EXPECT_EQ(small->bytes_in_use(), 0u);
  EXPECT_TRUE(ReadState(path(), identity_, NewPool(needed)));
}

// Files with sums that are right and numbers that are not.
TEST_F(StateFileTest, NumbersThatContradictEachOtherAreRefused) {
  WriteConversation(path());
  const std::string sound = Contents(path());
  const size_t index = kStateHeadBytes + NumberAt(sound, 16);
  // The identity, then the cache's five numbers, and so on as the header describes them.
  const size_t cache = index + 8 + (8 + 5) + (8 + 4) + (8 + 5) + (8 + 7);
  const size_t ids = cache + 5 * 8, floats = ids + 8 + 150 * 4, images = floats + 8 + 2 * 8;
  const size_t sums = images + 8 + 4 * 40;
  ASSERT_EQ(NumberAt(sound, ids), 150u);
  ASSERT_EQ(NumberAt(sound, floats), 2u);
  ASSERT_EQ(NumberAt(sound, images), 4u);
  ASSERT_EQ(NumberAt(sound, sums), 7u);
  const size_t picture = 40;
  constexpr uint64_t kHuge = uint64_t{1} << 62, kNegative = ~uint64_t{0};
  const struct {
    const char* what;
    size_t at;
    uint64_t value;
    const char* words;
  } cases[] = {
      {"notes beyond the file", 16, 1 << 20, "cut off"},
      {"huge notes", 16, kHuge, "absurd sizes"},
      {"index beyond the file", 24, 1 << 20, "cut off"},
      {"huge index", 24, kHuge, "absurd sizes"},
      {"facts", index, kHuge, "its index"},
      {"length of a fact", index + 8, kHuge, "its index"},
      {"whether there is a cache", cache, 2, "its index"},
      {"pages without a cache", cache, 0, "pages without a cache"},
      {"more positions than ids", cache + 8, 151, "more positions"},
      {"huge positions", cache + 8, kNegative, "more positions"},
      {"half a picture", cache + 8, 143, "a picture is computed in part"},
      {"fewer pages", cache + 8, 120, "follow its end"},
      {"no local pages", cache + 16, 4, "its local pages begin behind its end"},
      {"huge first page", cache + 16, kNegative, "its local pages begin behind its end"},
      {"pages that the window sees", cache + 16, 2, "follow its end"},
      {"another page size", cache + 24, 2112, "follow its end"},
      {"huge pages", cache + 24, kHuge, "absurd sizes"},
      {"huge pages", cache + 32, kNegative, "absurd sizes"},
      {"huge ids", ids, kHuge, "its index"},
      {"an id behind the vocabulary", ids + 8, 300, "token 300 at 0"},
      {"a negative id", ids + 8 + 148 * 4, kNegative, "token -1 at 148"},
      {"huge soft tokens", floats + 8, kHuge, "absurd sizes"},
      {"soft tokens that wrap around", floats + 8, (uint64_t{1} << 62) + 16, "absurd sizes"},
      {"other soft tokens", floats + 8, 20, "cut off"},
      {"no soft tokens", floats + 8, 0, "no rows"},
      {"many pictures", images, kHuge, "its index"},
      {"pictures that overlap", images + 8 + picture, 13, "overlap"},
      {"pictures out of order", images + 8, 19, "overlap"},
      {"a picture behind the end", images + 8 + 3 * picture, 147, "overlap"},
      {"a picture far behind the end", images + 8 + 3 * picture, kNegative, "overlap"},
      {"an empty picture", images + 16, 0, "overlap"},
      {"a huge picture", images + 16, kNegative, "overlap"},
      {"soft tokens of nobody", images + 24 + 3 * picture, kNegative, "of no picture"},
      {"soft tokens that are not there", images + 24 + 3 * picture, 2, "out of order"},
      {"soft tokens out of order", images + 24, 1, "out of order"},
      {"narrow soft tokens", images + 16 + 3 * picture, 2, "not as wide"},
      {"uneven soft tokens", images + 16 + 3 * picture, 3, "no rows"},
      {"many sums", sums, kHuge, "its index"},
      {"few sums", sums, 6, "its index"},
  };
  for (const auto& c : cases) {
    std::string bytes = sound;
    // Ids are 4 bytes: their neighbour stays.
    std::memcpy(bytes.data() + c.at, &c.value, c.at > ids && c.at < floats ? 4 : 8);
    testing::SealState(bytes);
    Overwrite(bytes);
    const auto state = Read();
    ASSERT_FALSE(state) << c.what;
    EXPECT_EQ(state.error().code, ErrorCode::kBadModel) << c.what;
    ExpectError(state.error(), ErrorCode::kBadModel, c.words);
    ASSERT_TRUE(state.error().message.starts_with(path())) << state.error().message;
  }

  // At the places of soft tokens anything goes: nobody looks it up.
  std::string bytes = sound;
  SetNumber(bytes, ids + 8 + 10 * 4, kNegative);
  testing::SealState(bytes);
  Overwrite(bytes);
  EXPECT_TRUE(Read());

  // A number that is none, with sums that are right throughout.
  bytes = sound;
  const size_t data = index + NumberAt(sound, 24);
  const float values[] = {1.5f, std::numeric_limits<float>::quiet_NaN()};
  std::memcpy(bytes.data() + data, values, sizeof(values));
  testing::SetSum(bytes, sums + 8, std::string_view(bytes).substr(data, 16 * sizeof(float)));
  testing::SealState(bytes);
  Overwrite(bytes);
  ExpectError(Read().error(), ErrorCode::kBadModel, "no finite numbers");

  // Local pages that the next position sees are missing, and the file has the size for that.
  bytes = sound;
  const size_t pages = data + 2 * 16 * sizeof(float);
  SetNumber(bytes, cache + 16, 2);
  bytes.erase(pages + 2176, 2176);  // global 0, local 1, ...
  SetNumber(bytes, sums, 6);
  bytes.erase(sums + 8 + 3 * 16, 16);
  SetNumber(bytes, 24, NumberAt(bytes, 24) - 16);
  testing::SealState(bytes);
  Overwrite(bytes);
  ExpectError(Read().error(), ErrorCode::kBadModel, "local pages that its next position sees");
}

TEST_F(StateFileTest, OnlyWhatCanBeReadIsWritten) {
  const std::vector<TokenId> ids = Ids(50);
  const KvCache cache = RandomCache(pool_, 20, true, 1);
  const auto rows = std::make_shared<const std::vector<float>>(16, 1.0f);
  const auto none = std::make_shared<const std::vector<float>>(16, NAN);
  const auto narrow = std::make_shared<const std::vector<float>>(8, 1.0f);
  const auto refused = [&](std::vector<ImageRun> images, size_t hashes, size_t num_ids,
                           const std::string& words) {
    const std::vector<Hash128> some(hashes);
    const Status written = WriteState(path(), {.identity = identity_,
                                               .ids = std::span(ids).first(num_ids),
                                               .images = images,
                                               .hashes = some,
                                               .cache = &cache});
    ASSERT_FALSE(written) << words;
    ExpectError(written.error(), ErrorCode::kInvalidArgument, words);
    EXPECT_EQ(FilesIn(), 0u);
  };
  refused({{1, 4, rows}}, 0, 50, "not every picture has a hash");
  refused({{5, 4, rows}, {8, 4, rows}}, 2, 50, "overlap");
  refused({{47, 4, rows}}, 1, 50, "overlap");
  refused({{18, 4, rows}}, 1, 50, "computed in part");
  refused({{1, 4, none}}, 1, 50, "no finite numbers");
  refused({{1, 4, narrow}}, 1, 50, "not as wide");
  refused({}, 0, 19, "more positions");
}

// ---- Going on

class RestoredTest : public ::testing::TestWithParam<KvType> {};

TEST_P(RestoredTest, GoesOnWithTheBitsOfNeverHavingStopped) {
  const testing::TempFolder folder;
  const testing::TinyModel model(testing::TinyTextConfig(), TensorType::kBF16);
  const TextConfig& config = model.checkpoint.config.text;
  const Transformer transformer(config, model.weights.text, Compute::kFast,
                                ReferenceRounding::kPublished);
  const KvTypes types = {GetParam(), GetParam() == KvType::kF32 ? KvType::kBF16 : GetParam()};
  const size_t count = 12, total = 260, width = config.hidden_size;
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<TokenId> ids(total);
  for (TokenId& id : ids) id = static_cast<TokenId>(random() % config.vocab_size);
  std::vector<ImageRun> images;
  for (const size_t begin : {30, 42, 130, 200}) {  // the last one is computed after the restart
    std::vector<float> rows(count * width);
    for (float& value : rows) value = normal(random);
    images.push_back({begin, count, std::make_shared<const std::vector<float>>(std::move(rows))});
  }
  const std::vector<Hash128> hashes(images.size());
  // Computes up to `end`, and returns the rows.
  const auto run = [&](KvCache& cache, std::span<const ImageRun> pictures, size_t end,
                       Workspace& workspace) {
    const BatchPart part{&cache, std::span(ids).subspan(cache.size(), end - cache.size()),
                         pictures};
    const auto rows = transformer.Forward({&part, 1}, workspace, {});
    EXPECT_TRUE(rows);
    return std::vector<float>(rows->data, rows->data + rows->rows * rows->cols);
  };
  ThreadPool threads(2), alone(1);
  Workspace workspace(threads), other_workspace(alone);
  const auto pool = std::make_shared<KvPool>(config, types, SIZE_MAX);
  KvCache whole(pool);
  const std::vector<float> expected = run(whole, images, total, workspace);
  // Where it is saved, and what was computed before that and taken back: its traces in the last
  // page must not matter.
  const std::pair<size_t, size_t> stops[] = {{1, 6},     {29, 42},   {64, 64},  {142, 154},
                                             {143, 143}, {150, 160}, {192, 199}};
  for (const auto& [stop, beyond] : stops) {
    KvCache cache(pool);
    for (const size_t end : {stop / 3 / 10 * 10, stop}) {  // never inside a picture
      if (end > cache.size() && std::ranges::none_of(images, [end](const ImageRun& image) {
            return image.begin < end && end < image.end();
          })) {
        (void)run(cache, images, end, workspace);
        cache.Settle(end);
      }
    }
    if (beyond > stop) (void)run(cache, images, beyond, workspace);
    ASSERT_TRUE(cache.CanTruncate(stop));
    cache.Truncate(stop);
    const std::string path = folder.path() + "/state" + std::to_string(stop);
    const StateIdentity identity = Identity();
    const Status written = WriteState(
        path,
        {.identity = identity, .ids = ids, .images = images, .hashes = hashes, .cache = &cache});
    ASSERT_TRUE(written) << written.error().message;
    // Another pool, whose pages were in use before; and the file is gone.
    const auto other = std::make_shared<KvPool>(config, types, SIZE_MAX);
    { const KvCache used = RandomCache(other, 300, false, 1); }
    auto state = ReadState(path, identity, other, &threads);
    ASSERT_TRUE(state) << state.error().message;
    ASSERT_TRUE(std::filesystem::remove(path));
    KvCache fork = state->cache->Fork();
    const auto same = [&](size_t begin, const std::vector<float>& rows) {
      return std::equal(rows.begin(), rows.end(),
                        expected.begin() + static_cast<ptrdiff_t>(begin * width));
    };
    EXPECT_TRUE(same(stop, run(*state->cache, state->images, total, workspace))) << stop;
    // A fork of it, in other batches and by another number of threads.
    while (fork.size() < total) {
      const size_t begin = fork.size();
      size_t end = std::min(total, begin + 1 + random() % 40);
      for (const ImageRun& image : images) {
        if (image.begin < end && end < image.end()) end = image.end();
      }
      EXPECT_TRUE(same(begin, run(fork, state->images, end, other_workspace))) << begin;
      fork.Settle(end);
    }
  }
}

std::string TypeName(const ::testing::TestParamInfo<KvType>& info) {
  constexpr const char* kNames[] = {"F32", "F16", "BF16", "Int8"};
  return kNames[static_cast<size_t>(info.param)];
}
INSTANTIATE_TEST_SUITE_P(Types, RestoredTest,
                         ::testing::Values(KvType::kF32, KvType::kF16, KvType::kBF16,
                                           KvType::kInt8),
                         TypeName);

}  // namespace
}  // namespace gemma3
