// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A main() for fuzz targets (functions LLVMFuzzerTestOneInput), for compilers without libFuzzer.
//
//   x_fuzz [-runs N | -seconds N] [-rng SEED] [-max_len BYTES] FILE_OR_FOLDER...
//
// Replays every file given, then feeds mutations of them: N of them, or for N seconds. The same
// seeds, -rng and -runs give the same inputs. Each input ends exactly at an unmapped page, so that
// a read past its end crashes with and without a sanitizer. An input that crashes is written to
// ./crash-input before the process dies; replay it by naming the file.
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
// Present when linked with a sanitizer: called before it ends the process.
extern "C" void __attribute__((weak)) __sanitizer_set_death_callback(void (*callback)());

namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<uint8_t>;

const uint8_t* g_input = nullptr;  // what is being tried, for the crash handlers
size_t g_input_size = 0;

void SaveInput() {  // async-signal-safe
  const int fd = open("crash-input", O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (fd < 0) return;
  for (size_t done = 0; done < g_input_size;) {
    const ssize_t n = write(fd, g_input + done, g_input_size - done);
    if (n <= 0) break;
    done += static_cast<size_t>(n);
  }
  close(fd);
  const char message[] = "fuzz: crashed; the input is in ./crash-input\n";
  [[maybe_unused]] const ssize_t n = write(STDERR_FILENO, message, sizeof(message) - 1);
}

void OnSignal(int signal_number) {
  SaveInput();
  signal(signal_number, SIG_DFL);
  raise(signal_number);
}

// A buffer whose last byte is the last byte before an inaccessible page.
class GuardedBuffer {
 public:
  explicit GuardedBuffer(size_t max_size) {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t usable = (max_size + page - 1) / page * page;
    void* memory =
        mmap(nullptr, usable + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
      std::perror("fuzz: mmap");
      std::exit(2);
    }
    end_ = static_cast<uint8_t*>(memory) + usable;
    mprotect(end_, page, PROT_NONE);
  }

  const uint8_t* Place(const Bytes& bytes) {
    uint8_t* begin = end_ - bytes.size();
    if (!bytes.empty()) std::memcpy(begin, bytes.data(), bytes.size());
    return begin;
  }

 private:
  uint8_t* end_;
};

// The values at which lengths, offsets and counts go wrong.
constexpr uint64_t kInteresting[] = {
    0,          1,          2,          7,          16,         32,         64,
    100,        127,        128,        255,        256,        1000,       1024,
    4096,       32767,      32768,      65535,      65536,      0x7fffffff, 0x80000000,
    0xffffffff, 1ull << 32, 1ull << 53, ~0ull >> 1, 1ull << 63, ~0ull - 7,  ~0ull};

class Mutator {
 public:
  Mutator(uint64_t seed, size_t max_len) : rng_(seed), max_len_(max_len) {}

  Bytes Mutate(const std::vector<Bytes>& seeds) {
    Bytes bytes = seeds[Below(seeds.size())];
    for (uint64_t steps = 1ull << Below(4); steps > 0; --steps) Step(seeds, bytes);
    if (bytes.size() > max_len_) bytes.resize(max_len_);
    return bytes;
  }

 private:
  // Modulo instead of a standard distribution: those differ between standard libraries.
  uint64_t Below(uint64_t n) { return rng_() % n; }

  void Step(const std::vector<Bytes>& seeds, Bytes& bytes) {
    if (bytes.empty()) {
      bytes.push_back(static_cast<uint8_t>(rng_()));
      return;
    }
    const size_t at = Below(bytes.size());
    const size_t left = bytes.size() - at;
    const size_t run = 1 + Below(std::min<size_t>(left, 1ull << Below(10)));
    switch (Below(9)) {
      case 0:  // flip a bit
        bytes[at] ^= static_cast<uint8_t>(1u << Below(8));
        break;
      case 1:  // overwrite a byte
        bytes[at] = static_cast<uint8_t>(rng_());
        break;
      case 2:  // insert a byte
        bytes.insert(bytes.begin() + at, static_cast<uint8_t>(rng_()));
        break;
      case 3:  // delete a run
        bytes.erase(bytes.begin() + at, bytes.begin() + at + run);
        break;
      case 4: {  // repeat a run
        const Bytes copy(bytes.begin() + at, bytes.begin() + at + run);
        bytes.insert(bytes.begin() + Below(bytes.size() + 1), copy.begin(), copy.end());
        break;
      }
      case 5: {  // splice: the rest comes from another seed
        const Bytes& other = seeds[Below(seeds.size())];
        if (other.empty()) break;
        bytes.resize(at);
        bytes.insert(bytes.end(), other.begin() + Below(other.size()), other.end());
        break;
      }
      case 6: {  // an interesting integer, little-endian (as the formats here store them)
        const uint64_t value = kInteresting[Below(std::size(kInteresting))];
        const size_t width = std::min<size_t>(left, 1ull << Below(4));
        for (size_t i = 0; i < width; ++i) bytes[at + i] = static_cast<uint8_t>(value >> (8 * i));
        break;
      }
      case 7: {  // an interesting integer as text
        const uint64_t value = kInteresting[Below(std::size(kInteresting))];
        std::string text = std::to_string(value);
        if (Below(4) == 0) text.insert(text.begin(), '-');
        bytes.insert(bytes.begin() + at, text.begin(), text.end());
        break;
      }
      case 8:  // cut off
        bytes.resize(at);
        break;
    }
  }

  std::mt19937_64 rng_;
  size_t max_len_;
};

bool ReadFile(const fs::path& path, Bytes& bytes) {
  std::ifstream in(path, std::ios::binary);
  bytes.assign(std::istreambuf_iterator<char>(in), {});
  return in.good() || in.eof();
}

}  // namespace

int main(int argc, char** argv) {
  uint64_t runs = 0, seconds = 0, rng_seed = 1, max_len = 1 << 20;
  std::vector<fs::path> files;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    uint64_t* number = arg == "-runs"      ? &runs
                       : arg == "-seconds" ? &seconds
                       : arg == "-rng"     ? &rng_seed
                       : arg == "-max_len" ? &max_len
                                           : nullptr;
    if (number != nullptr) {
      if (++i == argc) return std::fprintf(stderr, "fuzz: %s needs a number\n", arg.c_str()), 2;
      *number = std::strtoull(argv[i], nullptr, 10);
    } else if (fs::is_directory(arg)) {
      for (const auto& entry : fs::directory_iterator(arg)) {
        if (entry.is_regular_file()) files.push_back(entry.path());
      }
    } else {
      files.emplace_back(arg);
    }
  }
  std::sort(files.begin(), files.end());  // the order of a folder is not reproducible

  std::vector<Bytes> seeds;
  size_t buffer_size = max_len;
  for (const fs::path& file : files) {
    Bytes bytes;
    if (!ReadFile(file, bytes)) {
      return std::fprintf(stderr, "fuzz: cannot read %s\n", file.c_str()), 2;
    }
    buffer_size = std::max(buffer_size, bytes.size());
    seeds.push_back(std::move(bytes));
  }
  // A replay of nothing would pass for ever after its folder has moved.
  if (seeds.empty()) return std::fprintf(stderr, "fuzz: no seed files given\n"), 2;

  if (__sanitizer_set_death_callback != nullptr) {
    __sanitizer_set_death_callback(SaveInput);
  } else {
    for (const int s : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) signal(s, OnSignal);
  }

  GuardedBuffer buffer(buffer_size);
  const auto run = [&buffer](const Bytes& bytes) {
    g_input = buffer.Place(bytes);
    g_input_size = bytes.size();
    LLVMFuzzerTestOneInput(g_input, g_input_size);
  };
  for (size_t i = 0; i < seeds.size(); ++i) {
    std::fprintf(stderr, "fuzz: seed %s, %zu bytes\n", files[i].c_str(), seeds[i].size());
    run(seeds[i]);
  }

  Mutator mutator(rng_seed, max_len);
  const auto start = std::chrono::steady_clock::now();
  const auto deadline = start + std::chrono::seconds(seconds);
  uint64_t done = 0;
  while (done < runs || (seconds > 0 && std::chrono::steady_clock::now() < deadline)) {
    run(mutator.Mutate(seeds));
    ++done;
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::fprintf(stderr, "fuzz: %zu seeds and %llu mutations (-rng %llu) in %.1f s\n", seeds.size(),
               static_cast<unsigned long long>(done), static_cast<unsigned long long>(rng_seed),
               took.count());
  return 0;
}
