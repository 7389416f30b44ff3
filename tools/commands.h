// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The subcommands. Each takes the arguments behind its name and returns the exit code.
#pragma once

namespace gemma3::cli {

int RunCommand(int argc, const char* const* argv);
int ChatCommand(int argc, const char* const* argv);
int TokenizeCommand(int argc, const char* const* argv);
int InspectCommand(int argc, const char* const* argv);
int BenchCommand(int argc, const char* const* argv);
int PerplexityCommand(int argc, const char* const* argv);
int ClassifyCommand(int argc, const char* const* argv);
int LogitsCommand(int argc, const char* const* argv);
int DoctorCommand(int argc, const char* const* argv);
int ConvertCommand(int argc, const char* const* argv);
int CacheCommand(int argc, const char* const* argv);
int EmbedCommand(int argc, const char* const* argv);
int SchemaCommand(int argc, const char* const* argv);
int ServeCommand(int argc, const char* const* argv);

}  // namespace gemma3::cli
