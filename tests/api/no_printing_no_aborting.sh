#!/bin/sh
# Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#
# The library leaves it to its host to print and to end the process, and changes no state of the
# whole process: its objects refer to no function that does. Symbols are what the linker sees, so
# this holds for what is inlined from other libraries as well.
#   no_printing_no_aborting.sh NM ARCHIVE
nm=$1
archive=$2

# Ends the process; prints; changes the process. (Fortified variants are __*_chk.)
forbidden='abort|exit|_exit|_Exit|quick_exit|__assert_fail|raise|kill
printf|vprintf|fprintf|vfprintf|dprintf|vdprintf|puts|fputs|putchar|fputc|putc|_IO_putc|fwrite|perror|psignal
__printf_chk|__vprintf_chk|__fprintf_chk|__vfprintf_chk|__dprintf_chk|stdout|stderr
setlocale|setenv|putenv|unsetenv|signal|sigaction|chdir|umask|srand|srandom
std::cout|std::cerr|std::clog|std::exit|std::abort|std::quick_exit
std::locale::global|std::set_new_handler|std::set_terminate'

# Allowed and not listed: std::terminate (destructors of the standard library call it) and
# hwy::Abort (Highway checks its own invariants in inline functions; includes_go_down.sh and review
# keep HWY_ABORT and HWY_ASSERT on input out of our own sources).
pattern=$(echo "$forbidden" | tr '\n' '|' | sed 's/|$//; s/|\{2,\}/|/g')

symbols=$("$nm" -C --undefined-only "$archive") || exit 2
objects=$(echo "$symbols" | grep -c '\.o:$')
found=$(echo "$symbols" | awk -v pattern="^($pattern)\$" '
  /\.o:$/ { object = $0; next }
  {
    name = $0
    sub(/^ *[Uwv] /, "", name)
    sub(/\(.*/, "", name)      # the parameters
    sub(/@.*/, "", name)       # the version
    if (name ~ pattern) print object " " name
  }')
if [ -n "$found" ]; then
  echo "$found"
  echo "the library refers to what it must not"
  exit 1
fi
echo "$objects objects"
[ "$objects" -gt 0 ]
