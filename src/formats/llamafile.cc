// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/formats/llamafile.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "src/base/member_path.h"
#include "src/base/shown.h"
#include "src/base/status.h"
#include "src/formats/gguf.h"

namespace gemma3 {
namespace {

using namespace std::string_view_literals;

constexpr size_t kMaxArgs = 64 << 10;  // of ".args", which is a few lines

std::string_view Text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool EndsWithGguf(std::string_view name) {
  constexpr std::string_view kSuffix = ".gguf";
  return name.size() >= kSuffix.size() &&
         std::ranges::equal(name.substr(name.size() - kSuffix.size()), kSuffix, {},
                            [](unsigned char c) { return std::tolower(c); });
}

std::string_view BaseName(std::string_view path) { return path.substr(path.rfind('/') + 1); }

// What a GGUF file says that it is; "" for damaged ones, and those that say nothing.
std::string ArchitectureOf(std::span<const std::byte> bytes, const std::string& file) {
  const auto gguf = GgufFile::Parse(bytes, file);
  if (!gguf) return "";
  const auto architecture = gguf->String("general.architecture");
  return architecture && *architecture ? **architecture : "";
}

constexpr std::string_view kVisionArchitecture = "clip";

class Archive {
 public:
  static Result<Archive> Open(std::shared_ptr<const FileMap> file) {
    GEMMA3_TRY(auto members, ReadZipDirectory(file->bytes(), file->path()));
    return Archive(std::move(file), std::move(members));
  }

  std::vector<std::string> Ggufs() const { return GgufMembers(members_); }

  // The member's bytes as a file; see OpenGgufBytes for errors.
  Result<std::shared_ptr<const FileMap>> Map(const std::string& name) const {
    const auto member = std::ranges::find(members_, name, &ZipMember::name);
    if (member == members_.end()) {
      return Fail(ErrorCode::kBadModel, file_->path(), " holds no ", Shown(name), "; it holds",
                  List(Ggufs()));
    }
    if (!member->stored) {
      return Fail(ErrorCode::kUnsupported, file_->path(), ": ", Shown(name),
                  " is compressed in this zip archive; unpack it first");
    }
    GEMMA3_TRY(const auto bytes, StoredBytes(file_->bytes(), *member, file_->path()));
    return FileMap::Part(file_, static_cast<size_t>(bytes.data() - file_->bytes().data()),
                         bytes.size(), PathOf(name));
  }

  std::string PathOf(const std::string& name) const { return file_->path() + "@" + name; }

  Result<std::string> Model() const {
    const std::vector<std::string> all = Ggufs();
    if (all.empty()) {
      return Fail(ErrorCode::kBadModel, file_->path(), " holds no GGUF file");
    }
    if (all.size() == 1) return all.front();
    if (const std::string named = Argument({"-m", "--model"}); !named.empty()) return named;
    const std::vector<std::string> models =
        Those(all, [](const std::string& what) { return what != kVisionArchitecture; });
    if (models.size() == 1) return models.front();
    const std::vector<std::string> gemma =
        Those(all, [](const std::string& what) { return what == "gemma3"; });
    if (gemma.size() == 1) return gemma.front();
    return Fail(ErrorCode::kBadModel, file_->path(), " holds several models; give one of",
                List(gemma.empty() ? all : gemma));
  }

  std::vector<std::string> Vision() const {
    if (const std::string named = Argument({"--mmproj", "-mm"}); !named.empty()) return {named};
    return Those(Ggufs(), [](const std::string& what) { return what == kVisionArchitecture; });
  }

 private:
  Archive(std::shared_ptr<const FileMap> file, std::vector<ZipMember> members)
      : file_(std::move(file)), members_(std::move(members)) {}

  template <class Predicate>
  std::vector<std::string> Those(const std::vector<std::string>& names,
                                 const Predicate& wanted) const {
    std::vector<std::string> found;
    for (const std::string& name : names) {
      const auto part = Map(name);
      if (part && wanted(ArchitectureOf((*part)->bytes(), name))) found.push_back(name);
    }
    return found;
  }

  // The GGUF member that an option of the default arguments names; "" if none does.
  std::string Argument(std::array<std::string_view, 2> options) const {
    const auto args = std::ranges::find(members_, ".args", &ZipMember::name);
    if (args == members_.end() || !args->stored || args->size > kMaxArgs) return "";
    const auto bytes = StoredBytes(file_->bytes(), *args, file_->path());
    if (!bytes) return "";
    bool next = false;  // one argument a line
    for (std::string_view left = Text(*bytes); !left.empty();) {
      const size_t end = left.find('\n');
      std::string_view line = left.substr(0, end);
      left.remove_prefix(end == std::string_view::npos ? left.size() : end + 1);
      if (line.ends_with('\r')) line.remove_suffix(1);
      if (next) {
        for (const ZipMember& member : members_) {
          // "/zip/name" is how a llamafile sees its own members.
          if (EndsWithGguf(member.name) && BaseName(member.name) == BaseName(line)) {
            return member.name;
          }
        }
        return "";
      }
      next = std::ranges::find(options, line) != options.end();
    }
    return "";
  }

  std::string List(const std::vector<std::string>& names) const {
    std::string list;
    for (size_t i = 0; i < names.size() && i < 20; ++i) {
      list += "\n  " + Shown(PathOf(names[i]), 1000);
    }
    return list.empty() ? " no GGUF file" : list;
  }

  std::shared_ptr<const FileMap> file_;
  std::vector<ZipMember> members_;
};

}  // namespace

bool IsArchive(std::span<const std::byte> bytes) {
  // A zip archive; programs of Windows and of every system (llamafile), of Linux and macOS.
  constexpr std::array<std::string_view, 5> kStarts = {"PK\x03\x04"sv, "MZ"sv, "jartsr='"sv,
                                                       "\x7f"
                                                       "ELF"sv,
                                                       "\xcf\xfa\xed\xfe"sv};
  const std::string_view text = Text(bytes.first(std::min<size_t>(bytes.size(), 16)));
  const auto start =
      std::ranges::find_if(kStarts, [&](std::string_view s) { return text.starts_with(s); });
  return start == kStarts.begin() || (start != kStarts.end() && HasZipDirectory(bytes));
}

std::vector<std::string> GgufMembers(const std::vector<ZipMember>& members) {
  std::vector<std::string> names;
  for (const ZipMember& member : members) {
    if (EndsWithGguf(member.name)) names.push_back(member.name);
  }
  return names;
}

Result<std::shared_ptr<const FileMap>> OpenGgufBytes(const std::string& path) {
  const std::optional<MemberPath> named = ParseMemberPath(path);
  GEMMA3_TRY(auto file, FileMap::Open(named ? named->archive : path));
  if (!named && !IsArchive(file->bytes())) return file;
  GEMMA3_TRY(const Archive archive, Archive::Open(std::move(file)));
  if (named) return archive.Map(named->member);
  GEMMA3_TRY(const std::string model, archive.Model());
  return archive.Map(model);
}

std::vector<std::string> VisionMembers(const std::string& path) {
  const std::optional<MemberPath> named = ParseMemberPath(path);
  auto file = FileMap::Open(named ? named->archive : path);
  if (!file || !IsArchive((*file)->bytes())) return {};
  const auto archive = Archive::Open(*std::move(file));
  if (!archive) return {};
  std::vector<std::string> paths;
  for (const std::string& name : archive->Vision()) {
    if (!named || name != named->member) paths.push_back(archive->PathOf(name));
  }
  return paths;
}

}  // namespace gemma3
