// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Running another engine's benchmark: a script takes its place.
#include "tools/peer.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/support/temp_folder.h"

namespace gemma3::cli {
namespace {

class PeerTest : public ::testing::Test {
 protected:
  // A program that notes its arguments, a line a call, and does `body`.
  std::string Script(const std::string& body) {
    const std::string path = folder_.path() + "/peer";
    std::ofstream(path) << "#!/bin/sh\necho \"$*\" >> '" << Calls() << "'\n" << body << "\n";
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    return path;
  }
  std::string Calls() const { return folder_.path() + "/calls"; }
  std::string Called() const {
    std::ifstream file(Calls());
    return std::string(std::istreambuf_iterator<char>(file), {});
  }
  static ErrorCode CodeOf(const std::string& program) {
    const auto results = RunPeer({.command = {program}, .model = "m.gguf", .prefill = {512}});
    EXPECT_FALSE(results);
    return results ? ErrorCode::kInternal : results.error().code;
  }

  testing::TempFolder folder_;
};

TEST_F(PeerTest, TheFastestRunOfEachPointCounts) {
  const std::string program = Script(
      "case \"$*\" in\n"
      "--help) echo '  -d, --n-depth <n>  (default: 0)';;\n"
      "*'-n 0'*) echo 'load_backend: loaded CPU backend'; echo "
      "'[{\"n_prompt\":16,\"avg_ts\":90.5,\"samples_ts\":[80.0,101.0]},"
      "{\"n_prompt\":64,\"avg_ts\":70.5}]';;\n"
      "*) echo "
      "'[{\"n_prompt\":0,\"n_gen\":8,\"n_depth\":32,\"avg_ts\":12,\"samples_ts\":[12]}]';;\n"
      "esac; echo noise >&2");
  const auto results = RunPeer({.command = {program},
                                .model = "a model.gguf",
                                .threads = 3,
                                .repeat = 2,
                                .prefill = {16, 64},
                                .depths = {0, 32},
                                .decode = 8});
  ASSERT_TRUE(results) << results.error().message;
  ASSERT_EQ(results->size(), 3u);
  EXPECT_TRUE((*results)[0].prefill);
  EXPECT_EQ((*results)[0].tokens, 16u);
  EXPECT_EQ((*results)[0].tokens_per_second, 101.0);
  EXPECT_EQ((*results)[1].tokens, 64u);
  EXPECT_EQ((*results)[1].tokens_per_second, 70.5);
  EXPECT_FALSE((*results)[2].prefill);
  EXPECT_EQ((*results)[2].tokens, 32u);
  EXPECT_EQ((*results)[2].tokens_per_second, 12.0);
  EXPECT_EQ(Called(),
            "-m a model.gguf -t 3 -r 2 -o json -p 16,64 -n 0\n"
            "--help\n"
            "-m a model.gguf -t 3 -r 2 -o json -p 0 -n 8 -d 0,32\n");
}

// ik_llama.cpp has a test of its own for it, and names the depth n_prompt.
TEST_F(PeerTest, ADepthIsAskedForAsTheProgramKnowsIt) {
  const std::string program = Script(
      "case \"$*\" in\n"
      "--help) echo '  -gp <pp,tg>  (default: 0,0)';;\n"
      "*) echo '[{\"n_prompt\":0,\"n_gen\":8,\"avg_ts\":9},"
      "{\"n_prompt\":64,\"n_gen\":8,\"avg_ts\":7,\"test\":\"tg8@pp64\"}]';;\n"
      "esac");
  const auto results = RunPeer(
      {.command = {program, "-rtr", "1"}, .model = "m.gguf", .depths = {0, 64}, .decode = 8});
  ASSERT_TRUE(results) << results.error().message;
  ASSERT_EQ(results->size(), 2u);
  EXPECT_EQ((*results)[0].tokens, 0u);
  EXPECT_EQ((*results)[1].tokens, 64u);
  EXPECT_EQ((*results)[1].tokens_per_second, 7.0);
  EXPECT_EQ(Called(), "--help\n-rtr 1 -m m.gguf -t 1 -r 1 -o json -p 0 -n 8 -gp 64,8\n");

  std::filesystem::remove(Calls());
  const std::string old = Script("echo '[{\"n_gen\":8,\"avg_ts\":5}]'");
  const auto empty = RunPeer({.command = {old}, .model = "m.gguf", .depths = {0, 64}, .decode = 8});
  ASSERT_TRUE(empty) << empty.error().message;
  ASSERT_EQ(empty->size(), 1u);
  EXPECT_EQ(Called(), "--help\n-m m.gguf -t 1 -r 1 -o json -p 0 -n 8\n");
}

TEST_F(PeerTest, OnlyWhatIsAskedForIsRun) {
  const std::string program = Script("echo '[{\"n_gen\":8,\"avg_ts\":5}]'");
  const auto results =
      RunPeer({.command = {program}, .model = "m.gguf", .depths = {0}, .decode = 8});
  ASSERT_TRUE(results) << results.error().message;
  ASSERT_EQ(results->size(), 1u);
  EXPECT_EQ((*results)[0].tokens, 0u);
  EXPECT_EQ(Called(), "-m m.gguf -t 1 -r 1 -o json -p 0 -n 8\n");
}

TEST_F(PeerTest, FailuresAreErrors) {
  EXPECT_EQ(CodeOf(folder_.path() + "/none"), ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(Script("exit 3")), ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(Script("kill -TERM $$")), ErrorCode::kCancelled);
}

TEST_F(PeerTest, OtherOutputIsRefused) {
  for (const char* output :
       {"", "no json", "{}", "[1]", "[{}]", "[{\"n_prompt\":512}]",
        "[{\"n_prompt\":-1,\"avg_ts\":5}]", "[{\"n_prompt\":1e300,\"avg_ts\":5}]",
        "[{\"n_prompt\":512,\"avg_ts\":\"5\"}]",
        "[{\"n_prompt\":512,\"avg_ts\":5,\"samples_ts\":[null]}]"}) {
    SCOPED_TRACE(output);
    EXPECT_EQ(CodeOf(Script("echo '" + std::string(output) + "'")), ErrorCode::kUnsupported);
  }
}

}  // namespace
}  // namespace gemma3::cli
