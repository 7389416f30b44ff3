// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "src/constrain/schema_document.h"

#include <algorithm>
#include <optional>

#include "src/base/shown.h"
#include "src/base/status.h"

namespace gemma3 {
namespace {

using Kind = OrderedJson::Kind;

struct Uri {
  std::string scheme, authority, path,
      query;  // scheme with ':', authority with "//", query with '?'
  std::string Text() const { return scheme + authority + path + query; }
};

Uri SplitUri(std::string_view text) {
  Uri uri;
  const size_t colon = text.find(':');
  if (colon != std::string_view::npos && colon > 0 && text.find_first_of("/?#") > colon) {
    uri.scheme = std::string(text.substr(0, colon + 1));
    text.remove_prefix(colon + 1);
  }
  if (text.starts_with("//")) {
    const size_t end = std::min(text.find_first_of("/?", 2), text.size());
    uri.authority = std::string(text.substr(0, end));
    text.remove_prefix(end);
  }
  const size_t query = std::min(text.find('?'), text.size());
  uri.path = std::string(text.substr(0, query));
  uri.query = std::string(text.substr(query));
  return uri;
}

std::string WithoutDots(std::string_view path) {
  std::vector<std::string_view> parts;
  const bool rooted = path.starts_with('/');
  bool ends_open = false;
  size_t at = rooted ? 1 : 0;
  while (at <= path.size()) {
    const size_t end = std::min(path.find('/', at), path.size());
    const std::string_view part = path.substr(at, end - at);
    ends_open = false;
    if (part == "..") {
      if (!parts.empty()) parts.pop_back();
      ends_open = true;
    } else if (part == ".") {
      ends_open = true;
    } else {
      parts.push_back(part);
    }
    at = end + 1;
  }
  std::string out;
  for (const std::string_view part : parts) {
    if (rooted || !out.empty() || &part != &parts[0]) out += '/';
    out += part;
  }
  if (ends_open) out += '/';
  return out;
}

// RFC 3986, section 5.2, without fragments.
std::string ResolveUri(const std::string& base_text, std::string_view text) {
  if (text.empty()) return base_text;
  Uri uri = SplitUri(text);
  if (!uri.scheme.empty()) return uri.Text();
  const Uri base = SplitUri(base_text);
  uri.scheme = base.scheme;
  if (uri.authority.empty()) {
    uri.authority = base.authority;
    if (uri.path.empty()) {
      uri.path = base.path;
      if (uri.query.empty()) uri.query = base.query;
    } else if (uri.path[0] != '/') {
      const size_t slash = base.path.rfind('/');
      const std::string folder = slash == std::string::npos ? (base.authority.empty() ? "" : "/")
                                                            : base.path.substr(0, slash + 1);
      uri.path = WithoutDots(folder + uri.path);
    } else {
      uri.path = WithoutDots(uri.path);
    }
  }
  return uri.Text();
}

std::string PercentDecoded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto hex = [&](size_t at) {
      const char c = at < text.size() ? text[at] : 'x';
      return c >= '0' && c <= '9'   ? c - '0'
             : c >= 'a' && c <= 'f' ? c - 'a' + 10
             : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                    : -1;
    };
    if (text[i] == '%' && hex(i + 1) >= 0 && hex(i + 2) >= 0) {
      out += static_cast<char>(hex(i + 1) * 16 + hex(i + 2));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace

SubschemaForm SubschemasOf(std::string_view keyword) {
  static const std::unordered_map<std::string_view, SubschemaForm> kForms = {
      {"additionalItems", SubschemaForm::kSchema},
      {"additionalProperties", SubschemaForm::kSchema},
      {"contains", SubschemaForm::kSchema},
      {"contentSchema", SubschemaForm::kSchema},
      {"else", SubschemaForm::kSchema},
      {"if", SubschemaForm::kSchema},
      {"not", SubschemaForm::kSchema},
      {"propertyNames", SubschemaForm::kSchema},
      {"then", SubschemaForm::kSchema},
      {"unevaluatedItems", SubschemaForm::kSchema},
      {"unevaluatedProperties", SubschemaForm::kSchema},
      {"items", SubschemaForm::kSchemaOrList},
      {"allOf", SubschemaForm::kList},
      {"anyOf", SubschemaForm::kList},
      {"oneOf", SubschemaForm::kList},
      {"prefixItems", SubschemaForm::kList},
      {"$defs", SubschemaForm::kMap},
      {"definitions", SubschemaForm::kMap},
      {"dependencies", SubschemaForm::kMap},
      {"dependentSchemas", SubschemaForm::kMap},
      {"patternProperties", SubschemaForm::kMap},
      {"properties", SubschemaForm::kMap},
  };
  const auto it = kForms.find(keyword);
  return it == kForms.end() ? SubschemaForm::kNone : it->second;
}

Result<SchemaDocument> SchemaDocument::Parse(std::string_view text) {
  SchemaDocument document;
  GEMMA3_TRY(document.json_, OrderedJson::Parse(text, kMaxDepth, kMaxBytes));
  const OrderedJson& json = document.json_;
  const uint32_t root = OrderedJson::kRoot;
  if (json.kind(root) != Kind::kObject && json.kind(root) != Kind::kBool) {
    return Fail(ErrorCode::kInvalidArgument, "#: a schema is an object, true or false");
  }
  if (const uint32_t dialect = json.Find(root, "$schema"); dialect != OrderedJson::kNone) {
    if (json.kind(dialect) != Kind::kString) {
      return Fail(ErrorCode::kInvalidArgument, "#/$schema: should be a string");
    }
    std::string_view uri = json[dialect].text;
    if (uri.starts_with("https:")) uri.remove_prefix(6);
    if (uri.starts_with("http:")) uri.remove_prefix(5);
    const bool old = uri.starts_with("//json-schema.org/draft-");
    document.ref_stands_alone_ = old;
    document.old_ids_ = old;
    // Any other name: a dialect of one's own, read as all drafts together.
  } else {
    // What stands beside a $ref counts then, which is the narrower reading. Whether an $id there
    // does has no narrower reading; `definitions` without `$defs` is how the old drafts write.
    document.old_ids_ = json.Find(root, "$defs") == OrderedJson::kNone &&
                        json.Find(root, "definitions") != OrderedJson::kNone;
  }
  document.FindIds(root, "", root);
  document.resources_.emplace("", root);
  return document;
}

void SchemaDocument::FindIds(uint32_t start, const std::string& start_base, uint32_t) {
  struct Place {
    uint32_t node;
    std::string base;
  };
  std::vector<Place> open = {{start, start_base}};
  while (!open.empty()) {
    Place place = std::move(open.back());
    open.pop_back();
    const OrderedJsonNode& schema = json_[place.node];
    if (schema.kind != Kind::kObject) continue;
    const bool alone = old_ids_ && json_.Find(place.node, "$ref") != OrderedJson::kNone;
    for (const char* word : {"$id", "id"}) {
      const uint32_t id = json_.Find(place.node, word);
      if (alone || id == OrderedJson::kNone || json_.kind(id) != Kind::kString) continue;
      const std::string& text = json_[id].text;
      const size_t hash = text.find('#');
      const std::string uri = text.substr(0, hash);
      if (!uri.empty()) {
        place.base = ResolveUri(place.base, uri);
        resources_.emplace(place.base, place.node);
        bases_[place.node] = place.base;
      }
      if (hash != std::string::npos && hash + 1 < text.size()) {
        anchors_.emplace(place.base + "#" + text.substr(hash + 1), place.node);
      }
    }
    for (const char* word : {"$anchor", "$dynamicAnchor"}) {
      const uint32_t anchor = json_.Find(place.node, word);
      if (anchor == OrderedJson::kNone || json_.kind(anchor) != Kind::kString) continue;
      anchors_.emplace(place.base + "#" + json_[anchor].text, place.node);
    }
    for (size_t i = 0; i < schema.keys.size(); ++i) {
      const uint32_t value = schema.children[i];
      const SubschemaForm form = SubschemasOf(schema.keys[i]);
      if (form == SubschemaForm::kNone) continue;
      const bool is_list = json_.kind(value) == Kind::kArray && form != SubschemaForm::kSchema;
      if (form == SubschemaForm::kMap || is_list) {
        for (const uint32_t child : json_[value].children) open.push_back({child, place.base});
      } else {
        open.push_back({value, place.base});
      }
    }
  }
}

Result<uint32_t> SchemaDocument::Follow(uint32_t node) const {
  if (json_.kind(node) != Kind::kString) {
    return Fail(ErrorCode::kInvalidArgument, json_.Pointer(node), ": should be a string");
  }
  const std::string& text = json_[node].text;
  const size_t hash = std::min(text.find('#'), text.size());
  // The nearest id above.
  std::string base;
  for (uint32_t at = json_[node].parent;; at = json_[at].parent) {
    if (const auto it = bases_.find(at); it != bases_.end()) {
      base = it->second;
      break;
    }
    if (at == OrderedJson::kRoot) break;
  }
  const std::string uri = ResolveUri(base, std::string_view(text).substr(0, hash));
  const auto resource = resources_.find(uri);
  if (resource == resources_.end()) {
    return Fail(ErrorCode::kUnsupported, json_.Pointer(node), ": \"", Shown(text, 100),
                "\" is another document; put its schema into $defs");
  }
  const std::string fragment =
      PercentDecoded(hash < text.size() ? std::string_view(text).substr(hash + 1) : "");
  if (fragment.empty()) return resource->second;
  if (fragment[0] == '/') {
    const uint32_t target = json_.Resolve(fragment, resource->second);
    if (target != OrderedJson::kNone) return target;
  } else if (const auto it = anchors_.find(uri + "#" + fragment); it != anchors_.end()) {
    return it->second;
  }
  return Fail(ErrorCode::kInvalidArgument, json_.Pointer(node), ": there is no \"",
              Shown(text, 100), "\" in the schema");
}

}  // namespace gemma3
