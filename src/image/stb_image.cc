// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// stb_image, kept apart: all its functions are internal to this file, so an application's own copy
// does not clash; its assertions become errors; and its memory comes from an arena with a budget,
// so a file that expands without end (a PNG's zlib stream may) runs into the budget instead of the
// machine's memory. The arena hands out zeroed memory because stb_image reads some of what it
// allocates before writing it when a file is damaged, and the same file must give the same answer.
//
// One of its functions is replaced, see stbi__resample_row_h_2 below.
//
// Built with -fwrapv: on damaged JPEG files stb_image overflows signed integers in dequantisation,
// which is harmless when it wraps. Built without the shift sanitizer: at the end of damaged JPEG
// data it shifts a zero by a count of up to 33, and the result is 0 on every machine.
#include "src/image/stb_image.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>

#include "src/base/status.h"
#include "src/image/alpha.h"

namespace gemma3 {
namespace {

struct StbAssertion {
  const char* what;
};

// Zeroed blocks from calloc in a list, so that what an assertion left behind can be freed.
class Arena {
 public:
  explicit Arena(size_t budget) : budget_(budget) {}
  ~Arena() {
    while (head_.next != nullptr) Free(head_.next + 1);
  }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Null where the budget or the machine has no more.
  void* Allocate(size_t size) {
    if (size > budget_ - used_) return nullptr;
    auto* block = static_cast<Block*>(std::calloc(1, sizeof(Block) + size));
    if (block == nullptr) return nullptr;
    used_ += size;
    block->size = size;
    block->previous = &head_;
    block->next = head_.next;
    if (head_.next != nullptr) head_.next->previous = block;
    head_.next = block;
    return block + 1;
  }

  void* Reallocate(void* old, size_t size) {
    void* moved = Allocate(size);
    if (moved == nullptr || old == nullptr) return moved;
    std::memcpy(moved, old, std::min(size, (static_cast<Block*>(old) - 1)->size));
    Free(old);
    return moved;
  }

  void Free(void* pointer) {
    if (pointer == nullptr) return;
    Block* block = static_cast<Block*>(pointer) - 1;
    block->previous->next = block->next;
    if (block->next != nullptr) block->next->previous = block->previous;
    used_ -= block->size;
    std::free(block);
  }

 private:
  struct alignas(std::max_align_t) Block {
    Block* previous = nullptr;
    Block* next = nullptr;
    size_t size = 0;
  };

  Block head_;
  size_t budget_;
  size_t used_ = 0;
};

// stb_image's hooks take no context argument. Set only while DecodeWithStb runs on this thread.
thread_local Arena* t_arena = nullptr;

class ArenaScope {
 public:
  explicit ArenaScope(size_t budget) : arena_(budget) { t_arena = &arena_; }
  ~ArenaScope() { t_arena = nullptr; }

 private:
  Arena arena_;
};

}  // namespace
}  // namespace gemma3

// Doubles a row of chroma samples where chroma is halved across but not down: 3/4 of the nearer and
// 1/4 of the farther sample. stb_image's own weighs the last two samples the wrong way round, which
// shows in the column before the last. It takes the function's address by this name, so this one is
// found, while the macro, which needs a bracket behind the name, gives its definition another one.
static unsigned char* stbi__resample_row_h_2(unsigned char* out, unsigned char* near,
                                             unsigned char* /*far*/, int w, int /*hs*/) {
  const auto mix = [](int nearer, int farther) {
    return static_cast<unsigned char>((3 * nearer + farther + 2) / 4);
  };
  for (int i = 0; i < w; ++i) {
    out[2 * i] = mix(near[i], near[i > 0 ? i - 1 : i]);
    out[2 * i + 1] = mix(near[i], near[i + 1 < w ? i + 1 : i]);
  }
  return out;
}
#define stbi__resample_row_h_2(...) stbi__unused_resample_row_h_2(__VA_ARGS__)

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_ONLY_BMP
#define STBI_NO_STDIO
#define STBI_NO_LINEAR
#define STBI_NO_HDR
#define STBI_FAILURE_USERMSG
#define STBI_MAX_DIMENSIONS (1 << 20)
#define STBI_ASSERT(condition) \
  ((condition) ? static_cast<void>(0) : throw ::gemma3::StbAssertion{#condition})
#define STBI_MALLOC(size) ::gemma3::t_arena->Allocate(size)
#define STBI_REALLOC(pointer, size) ::gemma3::t_arena->Reallocate(pointer, size)
#define STBI_FREE(pointer) ::gemma3::t_arena->Free(pointer)

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#if __has_include(<stb/stb_image.h>)
#include <stb/stb_image.h>
#else
#include <stb_image.h>
#endif
#pragma GCC diagnostic pop

namespace gemma3 {
namespace {

// The pieces of a file as one stream for stb_image's callbacks.
class PieceReader {
 public:
  explicit PieceReader(std::span<const std::span<const uint8_t>> pieces) : pieces_(pieces) {}

  static const stbi_io_callbacks* Callbacks() {
    static constexpr stbi_io_callbacks kCallbacks = {
        [](void* self, char* data, int size) {
          return static_cast<int>(static_cast<PieceReader*>(self)->Advance(data, size));
        },
        [](void* self, int n) { static_cast<PieceReader*>(self)->Advance(nullptr, n); },
        [](void* self) {
          auto* reader = static_cast<PieceReader*>(self);
          reader->Advance(nullptr, 0);
          return static_cast<int>(reader->pieces_.empty());
        },
    };
    return &kCallbacks;
  }

 private:
  // Moves on by up to `size` bytes, which are copied to `data` unless that is null. Returns how
  // many there were. A negative size, which stb_image may ask for, counts as none.
  size_t Advance(char* data, int size) {
    size_t done = 0;
    const size_t wanted = static_cast<size_t>(std::max(size, 0));
    while (!pieces_.empty()) {
      const auto piece = pieces_.front().subspan(offset_);
      const size_t n = std::min(piece.size(), wanted - done);
      if (data != nullptr && n > 0) std::memcpy(data + done, piece.data(), n);
      done += n;
      offset_ += n;
      if (n < piece.size()) break;
      pieces_ = pieces_.subspan(1);
      offset_ = 0;
    }
    return done;
  }

  std::span<const std::span<const uint8_t>> pieces_;
  size_t offset_ = 0;
};

// What a decode may hold at one time. Per pixel, the worst are 16-bit RGBA PNG (8 bytes expanded,
// twice while the buffer grows, and 8 of pixels) and progressive four-component JPEG (8 of
// coefficients, 4 of samples, 3 of pixels): 24 covers both. JPEG pads the sides to blocks of 32 at
// most; PNG keeps the compressed file, twice while its buffer grows. The fixed part covers tables.
size_t Budget(size_t width, size_t height, size_t file_size) {
  return 24 * (width + 32) * (height + 32) + 4 * file_size + (1 << 20);
}

}  // namespace

Result<Image> DecodeWithStb(const char* format, std::span<const std::span<const uint8_t>> pieces,
                            size_t width, size_t height, Alpha alpha) {
  size_t file_size = 0;
  for (const auto piece : pieces) file_size += piece.size();

  const ArenaScope scope(Budget(width, height, file_size));
  PieceReader reader(pieces);
  int got_width = 0;
  int got_height = 0;
  int channels = 0;
  const stbi_uc* pixels = nullptr;
  try {
    pixels =
        stbi_load_from_callbacks(PieceReader::Callbacks(), &reader, &got_width, &got_height,
                                 &channels, /*desired_channels=*/alpha == Alpha::kDrop ? 3 : 4);
  } catch (const StbAssertion& assertion) {
    return Fail(ErrorCode::kBadImage, format,
                " data is damaged (decoder check failed: ", assertion.what, ")");
  }
  if (pixels == nullptr) {
    const char* reason = stbi_failure_reason();
    return Fail(ErrorCode::kBadImage, format,
                " data is damaged or of a kind that is not supported (",
                reason != nullptr ? reason : "no reason given", ")");
  }
  if (static_cast<size_t>(got_width) != width || static_cast<size_t>(got_height) != height) {
    return Fail(ErrorCode::kBadImage, format, " decodes to ", got_width, " x ", got_height,
                " pixels, but its header says ", width, " x ", height);
  }
  return Image{width, height,
               alpha == Alpha::kDrop ? std::vector<uint8_t>(pixels, pixels + 3 * width * height)
                                     : Flatten(pixels, width * height, alpha)};
}

Result<Image> DecodeUnendedWithStb(const char* format,
                                   std::span<const std::span<const uint8_t>> pieces,
                                   const std::span<const uint8_t> (&endings)[2], size_t width,
                                   size_t height, Alpha alpha) {
  std::vector<std::span<const uint8_t>> ended(pieces.begin(), pieces.end());
  ended.push_back(endings[0]);
  auto image = DecodeWithStb(format, ended, width, height, alpha);
  ended.back() = endings[1];
  const auto again = DecodeWithStb(format, ended, width, height, alpha);
  if (!image || !again || image->pixels != again->pixels) {
    return Fail(ErrorCode::kBadImage, format, " is cut off: its end is missing, and some of its ",
                width, " x ", height, " pixels with it");
  }
  return image;
}

std::vector<uint8_t> InflateWithStb(std::span<const uint8_t> zlib, size_t max_bytes) {
  const ArenaScope scope(/*budget=*/1 << 20);  // tables; the output is a buffer of ours
  std::vector<uint8_t> out(max_bytes);
  // Of a stream that fails, what came out before is in the buffer, but not how much it was.
  int size = -1;
  try {
    size = stbi_zlib_decode_buffer(
        reinterpret_cast<char*>(out.data()), static_cast<int>(out.size()),
        reinterpret_cast<const char*>(zlib.data()), static_cast<int>(zlib.size()));
  } catch (const StbAssertion&) {
  }
  if (size >= 0) out.resize(static_cast<size_t>(size));
  return out;
}

}  // namespace gemma3
