// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "tools/consent.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <string>

namespace gemma3::cli {
namespace {

struct Asked {
  bool yes;
  std::string shown;
  std::string left;  // of the input
};

Asked Ask(const std::string& input, bool closed = true, const StopCheck& stop = {}) {
  int in[2], out[2];
  EXPECT_EQ(::pipe(in), 0);
  EXPECT_EQ(::pipe(out), 0);
  EXPECT_EQ(::write(in[1], input.data(), input.size()), static_cast<ssize_t>(input.size()));
  if (closed) ::close(in[1]);
  Asked asked{AskYesNo(in[0], out[1], "f {}", stop), "", ""};
  char buffer[1000];
  asked.shown.assign(buffer, static_cast<size_t>(::read(out[0], buffer, sizeof(buffer))));
  if (closed) {
    const ssize_t n = ::read(in[0], buffer, sizeof(buffer));
    asked.left.assign(buffer, static_cast<size_t>(std::max<ssize_t>(n, 0)));
  } else {
    ::close(in[1]);
  }
  for (const int fd : {in[0], out[0], out[1]}) ::close(fd);
  return asked;
}

TEST(AskYesNo, OnlyYesIsYes) {
  EXPECT_EQ(Ask("y\n").shown, "Run f {}? [y/N] ");
  for (const char* yes : {"y\n", "Y\n", "yes\n", " YES \n"}) EXPECT_TRUE(Ask(yes).yes) << yes;
  for (const char* no : {"", "\n", "n\n", "no\n", "yess\n", "yy\n", "y", "ja\n", "\x1By\n"}) {
    EXPECT_FALSE(Ask(no).yes) << no;
  }
  EXPECT_FALSE(Ask(std::string(5000, 'y')).yes);
  EXPECT_EQ(Ask("n\nnext line\n").left, "next line\n");
}

TEST(AskYesNo, TheUserMayStop) {
  int asked = 0;
  EXPECT_FALSE(Ask("", /*closed=*/false, [&] { return ++asked > 2; }).yes);
}

}  // namespace
}  // namespace gemma3::cli
