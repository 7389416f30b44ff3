// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The official test suite of JSON Schema, in three spellings. No instance that is invalid may be
// accepted, without exception; one that is valid may be refused only for a reason that is listed.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3/constraint.h"
#include "tests/constrain/texts.h"

namespace gemma3 {
namespace {

using Json = nlohmann::ordered_json;

// Members in the order in which the schema names them; what it does not name stays behind.
Json InSchemaOrder(const Json& root, const std::vector<Json>& schemas, const Json& data, int depth);

void AddParts(const Json& root, const Json& schema, int depth, std::vector<Json>& parts) {
  if (!schema.is_object() || depth > 8) return;
  parts.push_back(schema);
  if (schema.contains("$ref") && schema["$ref"].is_string()) {
    const std::string ref = schema["$ref"];
    if (ref.starts_with("#")) {
      try {
        AddParts(root, root.at(Json::json_pointer(ref.substr(1))), depth + 1, parts);
      } catch (const Json::exception&) {  // an anchor: its schema has no members to order
      }
    }
  }
  for (const char* word : {"allOf", "anyOf", "oneOf"}) {
    if (!schema.contains(word)) continue;
    for (const Json& part : schema[word]) AddParts(root, part, depth + 1, parts);
  }
}

Json InSchemaOrder(const Json& root, const std::vector<Json>& schemas, const Json& data,
                   int depth) {
  if (depth > 20) return data;
  std::vector<Json> parts;
  for (const Json& schema : schemas) AddParts(root, schema, 0, parts);
  if (data.is_array()) {
    std::vector<Json> items;
    for (const Json& part : parts) {
      if (part.contains("items") && part["items"].is_object()) items.push_back(part["items"]);
    }
    Json ordered = Json::array();
    for (const Json& item : data) ordered.push_back(InSchemaOrder(root, items, item, depth + 1));
    return ordered;
  }
  if (!data.is_object()) return data;
  std::vector<std::string> names;
  const auto add = [&](const std::string& name) {
    if (data.contains(name) && std::find(names.begin(), names.end(), name) == names.end()) {
      names.push_back(name);
    }
  };
  for (const Json& part : parts) {
    if (!part.contains("properties") || !part["properties"].is_object()) continue;
    for (const auto& [name, member] : part["properties"].items()) add(name);
  }
  for (const auto& [name, member] : data.items()) add(name);
  Json ordered = Json::object();
  for (const std::string& name : names) {
    std::vector<Json> members;
    for (const Json& part : parts) {
      if (part.contains("properties") && part["properties"].contains(name)) {
        members.push_back(part["properties"][name]);
      }
    }
    ordered[name] = InSchemaOrder(root, members, data[name], depth + 1);
  }
  return ordered;
}

// Why valid instances are refused: part of a file's name, part of a group's or test's description.
struct Reason {
  std::string_view file, description, why;
};
constexpr Reason kReasons[] = {
    {"/format.json", "", "formats are enforced, where the standard has them as annotations"},
    {"", "float zero", "a whole number of a schema is written without a point"},
    {"", "float one", "a whole number of a schema is written without a point"},
    {"", "[0.0] is valid", "a whole number of a schema is written without a point"},
    {"", "[1.0] is valid", "a whole number of a schema is written without a point"},
    {"", "float is valid", "a whole number of a schema is written without a point"},
    {"", "a float with zero fractional part is an integer", "integers are written without a point"},
    {"", "same object with different property order", "members come in the order of the schema"},
    {"bignum.json", "bignum", "at most 20 digits where no bound needs more"},
    {"bignum.json", "very negative numbers",
     "no exponent beside bounds (the data is dumped as a double)"},
    {"float-overflow.json", "", "integers are written without an exponent"},
    {"date-time.json", "leap second", "second 60 is never written"},
    {"time.json", "leap second", "second 60 is never written"},
    {"time.json", "case-insensitive", "T and Z are upper-case"},
    {"date-time.json", "case-insensitive", "T and Z are upper-case"},
    {"date-time.json", "fifteen nines", "fractions of seconds have at most nine digits"},
    {"duration.json", "many digits", "the parts of a duration have at most nine digits"},
    {"email.json", "quoted string", "local parts are not quoted"},
    {"email.json", "address-literal", "domains are names"},
    {"hostname.json", "punycode", "labels with -- in front of their third letter are not written"},
    {"draft7/ref.json", "ref overrides any sibling keywords",
     "a schema that does not name its draft: what stands beside $ref counts"},
};

bool HasReason(const std::string& file, const std::string& description) {
  return std::any_of(std::begin(kReasons), std::end(kReasons), [&](const Reason& reason) {
    return file.find(reason.file) != std::string::npos &&
           description.find(reason.description) != std::string::npos;
  });
}

TEST(JsonSchemaSuite, NoInvalidInstanceIsAcceptedAndNoValidOneRefusedWithoutAReason) {
  const std::string folder = std::string(GEMMA3_SOURCE_DIR) + "/tests/data/json-schema/";
  size_t schemas = 0, refused = 0, instances = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.path().extension() != ".json") continue;
    const std::string file = entry.path().string().substr(folder.size());
    for (const Json& group : Json::parse(ReadWholeFile(entry.path().string()))) {
      ++schemas;
      const auto schema = JsonSchema::Compile(group["schema"].dump());
      if (!schema) {
        ++refused;
        // A schema that nothing meets is an error; any other reason names the place.
        EXPECT_TRUE(schema.error().message.starts_with("#")) << schema.error().message;
        const bool impossible = schema.error().code == ErrorCode::kInvalidArgument;
        for (const Json& test : group["tests"]) {
          EXPECT_FALSE(impossible && test["valid"].get<bool>())
              << file << ": " << group["description"] << ": " << schema.error().message;
        }
        continue;
      }
      for (const Json& test : group["tests"]) {
        const Json data = InSchemaOrder(group["schema"], {group["schema"]}, test["data"], 0);
        for (const std::string& text : {data.dump(), Spaced(data.dump()), data.dump(2)}) {
          ++instances;
          const bool accepted = Accepts(*schema, text);
          if (accepted == test["valid"].get<bool>()) continue;
          const std::string description =
              std::string(group["description"]) + ": " + std::string(test["description"]);
          EXPECT_TRUE(!accepted && HasReason(file, description))
              << file << ": " << description << "\n"
              << (accepted ? "accepted: " : "refused: ") << text;
        }
      }
    }
  }
  EXPECT_EQ(schemas, 533u);
  EXPECT_LE(refused, 38u);
  EXPECT_GT(instances, 5000u);
}

// Schemas from the wild, with the verdicts of their source. Not in the repository.
TEST(JsonSchemaBench, RealSchemasCompileAndJudgeTheirInstances) {
  const char* root = std::getenv("GEMMA3_TEST_DATA");
  if (root == nullptr) GTEST_SKIP() << "GEMMA3_TEST_DATA is not set";
  const std::string text =
      ReadWholeFile(std::string(root) + "/json-schema/jsonschemabench-300.jsonl");
  if (text.empty()) GTEST_SKIP() << "no jsonschemabench-300.jsonl";
  size_t schemas = 0, clean = 0;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    ++schemas;
    const Json entry = Json::parse(line);
    const auto schema = JsonSchema::Compile(entry["schema"].dump());
    if (!schema) continue;
    bool all_right = true;
    for (const Json& test : entry["tests"]) {
      const bool accepted = Accepts(*schema, test["data"].dump());
      EXPECT_FALSE(accepted && !test["valid"].get<bool>()) << entry["id"] << test["data"].dump();
      const Json ordered = InSchemaOrder(entry["schema"], {entry["schema"]}, test["data"], 0);
      all_right &= Accepts(*schema, ordered.dump()) == test["valid"].get<bool>();
    }
    clean += all_right ? 1 : 0;
  }
  EXPECT_EQ(schemas, 300u);
  EXPECT_GE(clean, 270u);
}

}  // namespace
}  // namespace gemma3
