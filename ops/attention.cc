// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Attention and the filling of its cache: how the work is cut into tasks, blocks of query rows,
// chunks and tiles of keys. The arithmetic is in ops/attention-inl.h.
//
// The result of a row is defined as the merge, in ascending order, of one partial result for each
// chunk of kChunk keys that it sees. A prefill merges as it goes; a decode step over a long context
// computes chunks on different threads and merges afterwards: the same bits.
#include "ops/attention.h"

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <utility>
#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/attention.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "ops/attention-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gemma3::attention {
namespace HWY_NAMESPACE {

// Keys merged as one. Small enough to share 16384 keys of a decode step evenly among many threads,
// large enough that merging (2 passes over a row of values) is below 1 % of the multiply-adds.
inline constexpr size_t kChunk = 8 * kKvTile;

// Query rows (of one kv head) that share each read of a tile: enough that tiles may come from the
// third-level cache, few enough that the rows stay in the second.
inline constexpr size_t kBlockRows = 48;
// Blocks are made smaller, down to this, if there are too few for the threads.
inline constexpr size_t kMinBlockRows = 12;

// Most memory for the partial results of chunks; above it, chunks are not spread over threads.
inline constexpr size_t kMaxPartialBytes = size_t{8} << 20;

// ------------------------------------------------------------------ storing

void StoreAll(Rows<const float> k, Rows<const float> v, std::span<const KvRows> parts,
              ThreadPool& pool) {
  const KvView& kv = parts[0].kv;  // all but the pages is that of every part
  const KvLayout layout(kv.type, kv.head_dim);
  const size_t head_dim = kv.head_dim;

  // One head's keys of a part that lie in page `t`.
  const auto store = [&](const KvRows& part, size_t t, size_t head, int32_t* row_scratch) HWY_ATTR {
    std::byte* tile = part.kv.pages[t] + part.kv.offset + head * layout.tile_bytes;
    const size_t begin = std::max(part.first_pos, t * kKvTile);
    const size_t end = std::min(part.first_pos + part.count, (t + 1) * kKvTile);
    for (size_t pos = begin; pos < end; ++pos) {
      const size_t row = part.begin + pos - part.first_pos;
      const float* key = k.row(row) + head * head_dim;
      const float* value = v.row(row) + head * head_dim;
      const size_t j = pos % kKvTile;
      switch (kv.type) {
        case KvType::kF32:
          StoreTileF32(layout, head_dim, key, value, j, tile,
                       reinterpret_cast<float*>(row_scratch));
          break;
        case KvType::kF16:
          StoreTileF16(layout, head_dim, key, value, j, tile,
                       reinterpret_cast<hwy::float16_t*>(row_scratch));
          break;
        case KvType::kBF16:
          StoreTileBF16(layout, head_dim, key, value, j, tile,
                        reinterpret_cast<hwy::bfloat16_t*>(row_scratch));
          break;
        case KvType::kInt8:
          StoreTileInt8(layout, head_dim, key, value, j, tile, row_scratch);
          break;
      }
    }
  };

  std::vector<std::pair<const KvRows*, size_t>> tiles;  // of each part: the pages it writes
  for (const KvRows& part : parts) {
    const size_t end = (part.first_pos + part.count + kKvTile - 1) / kKvTile;
    for (size_t t = part.first_pos / kKvTile; t < end; ++t) tiles.emplace_back(&part, t);
  }
  const size_t scratch_bytes = layout.v_cols * sizeof(int32_t);
  const size_t num_tasks = tiles.size() * kv.num_kv_heads;
  const auto task = [&](size_t i, size_t thread) HWY_ATTR {
    int32_t* row_scratch = reinterpret_cast<int32_t*>(pool.Scratch(thread, scratch_bytes).data());
    const auto& [part, t] = tiles[i % tiles.size()];
    store(*part, t, i / tiles.size(), row_scratch);
  };
  // A few rows are stored sooner than other threads wake up.
  if (k.rows <= 4) {
    for (size_t i = 0; i < num_tasks; ++i) task(i, 0);
  } else {
    pool.ParallelFor(num_tasks, task);
  }
}

// ------------------------------------------------------------------ attending

// What all tasks of a call share.
struct Call {
  Rows<const float> q;
  std::span<const KeyRange> keys;
  size_t num_kv_heads;
  size_t head_dim;
  KvLayout layout;
  size_t group;  // query heads of a kv head
  float factor;  // scale / ln 2: softmax works with powers of two
  Rows<float> out;
};

// Queries [begin, begin + count), all of one part, with one kv head. Row (i, h) of a block is its
// i-th query's h-th head.
struct Block {
  size_t begin;
  size_t count;
  size_t kv_head;
  const KvView* kv;
};

// Scratch of a thread, all parts aligned to 64 bytes.
template <class U>
struct Work {
  // Tiles of kInt8 become those of kBF16 before use.
  static size_t ExpandedUnits(const KvLayout& layout) {
    return layout.scaled() ? TileUnits(layout) : 0;
  }
  static size_t TileUnits(const KvLayout& layout) {
    return layout.k_steps * kKvTile + layout.v_steps * layout.v_cols;
  }

  Work(std::byte* memory, size_t rows, const KvLayout& layout)
      : left_stride(layout.k_steps * U::kLeft),
        scores(reinterpret_cast<float*>(memory)),
        chunk(scores + rows * kKvTile, rows, layout.v_cols),
        total(chunk.values + SoftmaxRows::Floats(rows, layout.v_cols), rows, layout.v_cols),
        expanded(
            reinterpret_cast<uint32_t*>(total.values + SoftmaxRows::Floats(rows, layout.v_cols))),
        weights(reinterpret_cast<typename U::Left*>(expanded + ExpandedUnits(layout))),
        queries(weights + rows * kKvTile) {}

  static size_t Bytes(size_t rows, const KvLayout& layout) {
    // The conversion of queries writes whole vectors, hence v_cols.
    const size_t left = rows * (kKvTile + layout.k_steps * U::kLeft) + layout.v_cols;
    const size_t bytes =
        (rows * kKvTile + 2 * SoftmaxRows::Floats(rows, layout.v_cols)) * sizeof(float) +
        ExpandedUnits(layout) * sizeof(uint32_t) + left * sizeof(typename U::Left);
    return (bytes + 63) / 64 * 64;
  }

  size_t left_stride;
  float* scores;  // [rows, kKvTile]
  SoftmaxRows chunk;
  SoftmaxRows total;
  uint32_t* expanded;         // a kInt8 tile in the units of kBF16
  typename U::Left* weights;  // [rows, kKvTile]
  typename U::Left* queries;  // [rows, left_stride]
};

// Copies the block's queries in the form the kernel takes.
template <class U>
void LoadQueries(const Call& call, const Block& block, const Work<U>& work) {
  const DF df;
  const size_t head_dim = call.head_dim;
  typename U::Left* to = work.queries;
  for (size_t i = 0; i < block.count; ++i) {
    const float* from = call.q.row(block.begin + i) + block.kv_head * call.group * head_dim;
    // In ascending order, so that what one row writes past its end the next one overwrites.
    for (size_t h = 0; h < call.group; ++h, from += head_dim, to += work.left_stride) {
      for (size_t c = 0; c < work.left_stride; c += hn::Lanes(df)) {
        U::StoreLeft(LoadPadded(from, c, head_dim), to + c);
      }
    }
  }
}

// A tile's keys and values in units of U, and its scales if it has any.
template <class U>
struct Tile {
  const typename U::Unit* keys;
  const typename U::Unit* values;
  const float* key_scale = nullptr;
  const float* value_scale = nullptr;
};

template <class U>
Tile<U> GetTile(const Call& call, const Block& block, size_t index, const Work<U>& work) {
  const KvLayout& layout = call.layout;
  const std::byte* data =
      block.kv->pages[index] + block.kv->offset + block.kv_head * layout.tile_bytes;
  using Unit = typename U::Unit;
  if constexpr (std::is_same_v<U, UnitBF16>) {
    if (layout.scaled()) {
      uint32_t* expanded = work.expanded;
      ExpandInt8(reinterpret_cast<const uint16_t*>(data), Work<U>::TileUnits(layout), expanded);
      const float* scales = reinterpret_cast<const float*>(data + layout.scale_offset);
      return {expanded, expanded + layout.k_steps * kKvTile, scales, scales + kKvTile};
    }
  }
  return {reinterpret_cast<const Unit*>(data),
          reinterpret_cast<const Unit*>(data + layout.v_offset)};
}

// Rows [begin, end) of a block, all of which see keys of tile `index`.
template <class U>
void AttendTile(const Call& call, const Block& block, const Tile<U>& tile, size_t index,
                size_t begin_query, size_t end_query, const Work<U>& work,
                const SoftmaxRows& state) {
  const KvLayout& layout = call.layout;
  const size_t begin = begin_query * call.group;
  const size_t rows = (end_query - begin_query) * call.group;
  float* scores = work.scores;
  typename U::Left* weights = work.weights;

  Multiply<U>({.left = work.queries + begin * work.left_stride,
               .left_stride = work.left_stride,
               .units = tile.keys,
               .unit_stride = kKvTile,
               .steps = layout.k_steps,
               .sum = scores,
               .sum_stride = kKvTile,
               .add = false},
              rows, kKvTile);

  const size_t first_key = index * kKvTile;
  for (size_t r = 0; r < rows; ++r) {
    const KeyRange& range = call.keys[block.begin + (begin + r) / call.group];
    const size_t lo = std::max(range.begin, first_key) - first_key;
    const size_t hi = std::min(range.end, first_key + kKvTile) - first_key;
    SoftmaxTile<U>(scores + r * kKvTile, lo, hi, call.factor, tile.key_scale, tile.value_scale,
                   state, begin + r, weights + r * kKvTile);
  }

  for (size_t p = 0; p < layout.num_panels(); ++p) {
    const size_t column = layout.PanelBegin(p);
    const size_t width = layout.PanelBegin(p + 1) - column;
    Multiply<U>({.left = weights,
                 .left_stride = kKvTile,
                 .units = tile.values + column * layout.v_steps,
                 .unit_stride = width,
                 .steps = layout.v_steps,
                 .sum = state.row_values(begin) + column,
                 .sum_stride = layout.v_cols,
                 .add = true},
                rows, width);
  }
}

// Sets `state` to the block's partial result over keys [chunk * kChunk, (chunk + 1) * kChunk).
template <class U>
void AttendChunk(const Call& call, const Block& block, size_t chunk, const Work<U>& work,
                 const SoftmaxRows& state) {
  ClearRows(state, block.count * call.group);
  for (size_t index = chunk * (kChunk / kKvTile); index < (chunk + 1) * (kChunk / kKvTile);
       ++index) {
    const auto sees = [&](size_t i) {
      const KeyRange& range = call.keys[block.begin + i];
      return range.begin < (index + 1) * kKvTile && range.end > index * kKvTile;
    };
    // Queries that see nothing of the tile take no part: even adding zeros may change bits.
    Tile<U> tile{};
    for (size_t i = 0; i < block.count;) {
      if (!sees(i)) {
        ++i;
        continue;
      }
      size_t end = i + 1;
      while (end < block.count && sees(end)) ++end;
      if (tile.keys == nullptr) tile = GetTile<U>(call, block, index, work);
      AttendTile<U>(call, block, tile, index, i, end, work, state);
      i = end;
    }
  }
}

inline void Finish(const Call& call, const Block& block, const SoftmaxRows& total) {
  const size_t head_dim = call.head_dim;
  for (size_t r = 0; r < block.count * call.group; ++r) {
    float* out = call.out.row(block.begin + r / call.group) +
                 (block.kv_head * call.group + r % call.group) * head_dim;
    FinishRow(total, r, out, head_dim);
  }
}

// Chunks [begin, end) hold all keys that some query sees.
struct ChunkRange {
  size_t begin;
  size_t end;
};
inline ChunkRange ChunksOf(std::span<const KeyRange> keys) {
  size_t begin = keys[0].begin;
  size_t end = keys[0].end;
  for (const KeyRange& range : keys) {
    begin = std::min(begin, range.begin);
    end = std::max(end, range.end);
  }
  return {begin / kChunk, (end + kChunk - 1) / kChunk};
}

// The blocks of all parts, at most block_queries queries each; in a part one head after another, so
// that neighbouring tasks read the same keys.
inline std::vector<Block> CutBlocks(std::span<const KvRows> parts, size_t block_queries) {
  std::vector<Block> blocks;
  for (const KvRows& part : parts) {
    for (size_t head = 0; head < part.kv.num_kv_heads; ++head) {
      for (size_t i = 0; i < part.count; i += block_queries) {
        blocks.push_back({part.begin + i, std::min(block_queries, part.count - i), head, &part.kv});
      }
    }
  }
  return blocks;
}

template <class U>
void AttendAll(const Call& call, std::span<const KvRows> parts, ThreadPool& pool) {
  const size_t threads = pool.num_threads();
  size_t block_queries = std::max<size_t>(1, kBlockRows / call.group);
  const auto num_blocks = [&] {
    size_t blocks = 0;
    for (const KvRows& part : parts) blocks += (part.count + block_queries - 1) / block_queries;
    return blocks * call.num_kv_heads;
  };
  while (threads > 1 && num_blocks() < 4 * threads &&
         block_queries * call.group >= 2 * kMinBlockRows) {
    block_queries = (block_queries + 1) / 2;
  }
  block_queries = std::min(block_queries, std::ranges::max(parts, {}, &KvRows::count).count);
  const std::vector<Block> blocks = CutBlocks(parts, block_queries);
  const size_t rows = block_queries * call.group;
  const size_t work_bytes = Work<U>::Bytes(rows, call.layout);
  const auto chunks_of = [&](const Block& block) {
    return ChunksOf(call.keys.subspan(block.begin, block.count));
  };

  size_t num_chunks = 0;  // over all blocks
  if (threads > 1 && blocks.size() < 2 * threads) {
    for (const Block& block : blocks) num_chunks += chunks_of(block).end - chunks_of(block).begin;
  }
  const size_t state_bytes = SoftmaxRows::Floats(rows, call.layout.v_cols) * sizeof(float);
  const bool spread_chunks =
      num_chunks > blocks.size() && num_chunks <= kMaxPartialBytes / state_bytes;
  if (!spread_chunks) {
    pool.ParallelFor(blocks.size(), [&](size_t task, size_t thread) HWY_ATTR {
      const Block& block = blocks[task];
      const Work<U> work(pool.Scratch(thread, work_bytes).data(), rows, call.layout);
      LoadQueries(call, block, work);
      ClearRows(work.total, block.count * call.group);
      const ChunkRange chunks = chunks_of(block);
      for (size_t chunk = chunks.begin; chunk < chunks.end; ++chunk) {
        AttendChunk(call, block, chunk, work, work.chunk);
        MergeRows(work.chunk, block.count * call.group, work.total);
      }
      Finish(call, block, work.total);
    });
    return;
  }

  // One task for each chunk of each block.
  struct Piece {
    size_t block;
    size_t chunk;
  };
  std::vector<Piece> pieces;
  std::vector<size_t> first_piece;  // [blocks + 1]
  for (size_t i = 0; i < blocks.size(); ++i) {
    first_piece.push_back(pieces.size());
    const ChunkRange chunks = chunks_of(blocks[i]);
    for (size_t chunk = chunks.begin; chunk < chunks.end; ++chunk) pieces.push_back({i, chunk});
  }
  first_piece.push_back(pieces.size());
  // Partial results live in the scratch of the calling thread, behind what it needs as a worker.
  std::byte* own = pool.Scratch(0, work_bytes + pieces.size() * state_bytes).data();
  const auto partial = [&](size_t piece) {
    std::byte* memory = own + work_bytes + piece * state_bytes;
    return SoftmaxRows(reinterpret_cast<float*>(memory), rows, call.layout.v_cols);
  };
  const auto scratch = [&](size_t thread) {
    return thread == 0 ? own : pool.Scratch(thread, work_bytes).data();
  };
  pool.ParallelFor(pieces.size(), [&](size_t i, size_t thread) HWY_ATTR {
    const Block& block = blocks[pieces[i].block];
    const Work<U> work(scratch(thread), rows, call.layout);
    LoadQueries(call, block, work);
    AttendChunk(call, block, pieces[i].chunk, work, partial(i));
  });
  pool.ParallelFor(blocks.size(), [&](size_t i, size_t thread) HWY_ATTR {
    const Block& block = blocks[i];
    const Work<U> work(scratch(thread), rows, call.layout);
    ClearRows(work.total, block.count * call.group);
    for (size_t piece = first_piece[i]; piece < first_piece[i + 1]; ++piece) {
      MergeRows(partial(piece), block.count * call.group, work.total);
    }
    Finish(call, block, work.total);
  });
}

void AttentionAll(Rows<const float> q, std::span<const KeyRange> keys,
                  std::span<const KvRows> parts, size_t num_heads, float scale, Rows<float> out,
                  ThreadPool& pool) {
  constexpr float kLog2E = 1.44269504088896341f;
  const KvView& kv = parts[0].kv;  // all but the pages is that of every part
  const Call call{.q = q,
                  .keys = keys,
                  .num_kv_heads = kv.num_kv_heads,
                  .head_dim = kv.head_dim,
                  .layout = KvLayout(kv.type, kv.head_dim),
                  .group = num_heads / kv.num_kv_heads,
                  .factor = scale * kLog2E,
                  .out = out};
  switch (kv.type) {
    case KvType::kF32:
      AttendAll<UnitF32>(call, parts, pool);
      break;
    case KvType::kF16:
      AttendAll<UnitF16>(call, parts, pool);
      break;
    case KvType::kBF16:
    case KvType::kInt8:
      AttendAll<UnitBF16>(call, parts, pool);
      break;
  }
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace gemma3::attention
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gemma3::attention {
HWY_EXPORT(StoreAll);
HWY_EXPORT(AttentionAll);
}  // namespace gemma3::attention

namespace gemma3 {
using namespace attention;  // NOLINT(build/namespaces): the dispatch macro takes plain names

size_t KvPageBytes(KvType type, size_t num_kv_heads, size_t head_dim) {
  return num_kv_heads * KvLayout(type, head_dim).tile_bytes;
}

void StoreKv(Rows<const float> k, Rows<const float> v, std::span<const KvRows> parts,
             ThreadPool& pool) {
  if (parts.empty()) return;
  HWY_DYNAMIC_DISPATCH(StoreAll)(k, v, parts, pool);
}

void Attention(Rows<const float> q, std::span<const KeyRange> keys, std::span<const KvRows> parts,
               size_t num_heads, float scale, Rows<float> out, ThreadPool& pool) {
  if (q.rows == 0) return;
  HWY_DYNAMIC_DISPATCH(AttentionAll)(q, keys, parts, num_heads, scale, out, pool);
}

}  // namespace gemma3
#endif  // HWY_ONCE
