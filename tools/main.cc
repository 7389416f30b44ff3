// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// gemma3, the program: prepares the process and hands over to dispatch.h.

#include <fcntl.h>
#include <langinfo.h>
#include <unistd.h>

#include <clocale>
#include <cstring>
#include <exception>
#include <new>
#include <string>

#include "tools/dispatch.h"
#include "tools/errors.h"
#include "tools/interrupt.h"

namespace gemma3::cli {
namespace {

// A file opened later must not get the number of a standard stream that the parent closed, or
// answers would go into it. Opened the wrong way round, so that using one is still an error.
void ReserveStandardStreams() {
  for (int fd = 0; fd <= 2; ++fd) {
    if (::fcntl(fd, F_GETFD) == -1) ::open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
  }
}

// Line editing needs a locale whose encoding is UTF-8; containers often run in the "C" locale.
void UseUtf8() {
  if (std::setlocale(LC_CTYPE, "") == nullptr ||
      std::strcmp(::nl_langinfo(CODESET), "UTF-8") != 0) {
    if (std::setlocale(LC_CTYPE, "C.UTF-8") == nullptr) std::setlocale(LC_CTYPE, "en_US.UTF-8");
  }
}

}  // namespace
}  // namespace gemma3::cli

int main(int argc, char** argv) {
  using namespace gemma3::cli;
  ReserveStandardStreams();
  InstallSignalHandlers();
  UseUtf8();
  // The library throws nothing; this is for the program's own strings and third-party code.
  try {
    return Dispatch(argc, argv);
  } catch (const std::bad_alloc&) {
    PrintError("out of memory");
    return kExitMemory;
  } catch (const std::exception& error) {
    PrintError(std::string("internal error: ") + error.what());
    return kExitRuntime;
  }
}
