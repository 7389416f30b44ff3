#!/bin/sh
# Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#
# Walks every #include of the repository's sources: it goes to a lower layer or stays in its folder;
# and each third-party library is seen only by the folders that wrap it. The table is below.
#   includes_go_down.sh REPOSITORY
cd "$1" || exit 2
find include src ops tools tests \( -name '*.h' -o -name '*.cc' \) -type f | sort |
  xargs grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]*["<]' |
  awk '
# A folder and its layer. Folders of one layer do not see each other. The tests may see everything.
BEGIN {
  layer["include/gemma3"] = 0; layer["src/base"] = 0
  layer["src/threading"] = 1; layer["src/automata"] = 1
  layer["ops"] = 2; layer["src/formats"] = 2; layer["src/text"] = 2
  layer["src/stores"] = 2
  layer["src/weights"] = 3; layer["src/constrain"] = 3; layer["src/chat"] = 3; layer["src/decode"] = 3; layer["src/image"] = 3
  layer["src/model"] = 4; layer["src/vision"] = 4
  layer["src/generate"] = 5
  layer["src/engine"] = 6
  layer["src/evaluate"] = 7
  layer["tools"] = 8
  layer["tests"] = 9
  # Public headers that declare services and not values belong to the layer that implements them.
  service["include/gemma3/tokenizer.h"] = 2
  service["include/gemma3/model.h"] = 6; service["include/gemma3/session.h"] = 6
  service["include/gemma3/engine.h"] = 6; service["include/gemma3/embedder.h"] = 6
  service["include/gemma3/bench.h"] = 7; service["include/gemma3/classify.h"] = 7
  service["include/gemma3/experimental/evaluator.h"] = 7
  service["include/gemma3/gemma3.h"] = 7
  # A free function declared in a service header may be defined further down.
  defines["src/stores", "include/gemma3/model.h"] = 1  # FindModel
  defines["src/chat", "include/gemma3/classify.h"] = 1  # ShieldGemmaPolicies
  # Besides the public headers the program uses these (checked arithmetic and errors; the matcher,
  # for `gemma3 schema`; tensors in files, for comparing logits; the marks that end an answer, for
  # what clients of the server ask).
  program["include/gemma3"] = program["src/base"] = program["src/formats"] = 1
  program["src/constrain"] = program["src/chat"] = 1
  # Which folders may see a third-party library.
  sees["hwy"] = "ops src/threading"
  sees["sentencepiece"] = "src/text"
  sees["nlohmann"] = "src/base src/chat src/formats src/weights tools"
  sees["stb"] = "src/image"
  sees["webp"] = "src/image"
  sees["CLI"] = "tools"
  sees["histedit"] = "tools"
  sees["editline"] = "tools"
  sees["boost"] = "tools"  # and of these, one file: below
  failures = 0
}
function folder_of(path) {
  if (path ~ /^tests\//) return "tests"
  if (path ~ /^tools\//) return "tools"
  if (path ~ /^ops\//) return "ops"
  if (path ~ /^include\/gemma3\//) return "include/gemma3"
  if (match(path, /^src\/[^\/]+/)) return substr(path, RSTART, RLENGTH)
  return ""
}
function layer_of(path, folder) { return (path in service) ? service[path] : layer[folder] }
function complain(text) { print $0; print "    " text; failures++ }
{
  split($0, part, ":")
  file = part[1]
  match($0, /["<][^">]+[">]/)
  target = substr($0, RSTART + 1, RLENGTH - 2)
  from = folder_of(file)
  includes++
  if (!(from in layer)) { complain("the folder " from " is missing in the table of layers"); next }
  if (from == "tests") next
  if (target ~ /^gemma3\//) target = "include/" target
  if (target ~ /^(include|src|ops|tools|tests)\//) {
    to = folder_of(target)
    if (!(to in layer)) { complain("the folder " to " is missing in the table of layers"); next }
    if (from == to && from != "include/gemma3") next
    if (from == "include/gemma3" && to == "include/gemma3") {
      if (layer_of(target, to) > layer_of(file, from)) complain("a value header includes a service")
      next
    }
    if (from == "include/gemma3") { complain("a public header includes an internal one"); next }
    if (from == "tools") {
      if (!(to in program)) complain("the program does not use " to)
    } else if ((from, target) in defines || (target in service && service[target] == layer[from])) {
      next
    } else if (to == "include/gemma3" && layer_of(target, to) == 0) {
      next  # value headers and src/base are one layer
    } else if (layer_of(target, to) >= layer_of(file, from)) {
      complain(from " (layer " layer_of(file, from) ") may not include " target " (layer " \
               layer_of(target, to) ")")
    }
    next
  }
  library = target; sub(/[\/._].*/, "", library)
  if (library == "boost" && file != "tools/serve/http_server.cc")
    complain("only tools/serve/http_server.cc may include boost")
  if (library in sees && index(" " sees[library] " ", " " from " ") == 0)
    complain("only " sees[library] " may include " library)
}
END {
  print includes " includes, " failures " against the rules"
  exit includes == 0 || failures > 0
}'
