#include "core/wire/answer_json.hpp"

#include <rapidjson/document.h>

#include "core/base/text.hpp"

namespace gpubroker {
namespace {

/// Whether a JSON text has an escape that is the second half of a surrogate pair without the first
/// ("\\uDC00"): no letter. RapidJSON reads it, as bytes that are not UTF-8; of the first half alone it
/// complains itself.
bool has_stray_surrogate(std::string_view json) {
  constexpr std::size_t kEscape = 6;  // \\uXXXX
  for (std::size_t at = json.find('\\'); at < json.size(); at = json.find('\\', at)) {
    const std::string_view escape = json.substr(at, kEscape);
    if (escape.size() < kEscape || escape[1] != 'u') {
      at += 2;
      continue;
    }
    const bool is_half = escape[2] == 'd' || escape[2] == 'D';
    if (is_half && std::string_view("cdefCDEF").find(escape[3]) != std::string_view::npos) { return true; }
    const bool is_first = is_half && std::string_view("89abAB").find(escape[3]) != std::string_view::npos;
    at += is_first ? 2 * kEscape : kEscape;
  }
  return false;
}

/// Raised by AnswerValue, caught by visit_answer and for_each_row and nowhere else.
struct AnswerMismatch {
  std::string message;
};

const rapidjson::Value& tree(const void* value) {
  return *static_cast<const rapidjson::Value*>(value);
}

std::string_view text_of(const rapidjson::Value& value) {
  return {value.GetString(), value.GetStringLength()};
}

std::string describe(const rapidjson::Value& value) {
  if (value.IsString()) { return "'" + std::string(text_of(value).substr(0, 40)) + "'"; }
  if (value.IsObject()) { return "an object"; }
  if (value.IsArray()) { return "a list"; }
  return value.IsNull() ? "null" : "a boolean";
}

/// The library asserts what it is asked for: each access stands behind this.
void require(bool is_so, const rapidjson::Value& value, const char* what) {
  if (!is_so) { throw AnswerMismatch{describe(value) + " is not " + what}; }
}

bool looks_like_html(std::string_view text) {
  const std::string start = lower(trim(text.substr(0, 256)));
  return start.rfind("<!doctype", 0) == 0 || start.rfind("<html", 0) == 0;
}

}  // namespace

std::optional<Error> visit_answer(std::string_view text, std::string_view source,
                                  const std::function<void(const AnswerValue&)>& visit) {
  const auto refuse = [&](const std::string& message) {
    return Error{.kind = ErrorKind::internal,
                 .message = "cannot read the answer: " + message,
                 .source = std::string(source)};
  };
  if (looks_like_html(text)) { return refuse("it is a web page, not JSON"); }
  if (text.find('\0') != std::string_view::npos) { return refuse("a NUL byte in it"); }
  if (has_stray_surrogate(text)) { return refuse("half a surrogate pair in it"); }
  // Iterative: no answer is so deep that it overflows the stack.
  constexpr unsigned kFlags = rapidjson::kParseInsituFlag | rapidjson::kParseIterativeFlag |
                              rapidjson::kParseNumbersAsStringsFlag | rapidjson::kParseValidateEncodingFlag;
  std::string copy(text);  // the values' texts stay in it
  // A text that ends within a letter of four bytes: the library looks for the other three behind it.
  constexpr std::size_t kLongestLetter = 4;
  copy.append(kLongestLetter, '\0');
  rapidjson::Document document;
  document.ParseInsitu<kFlags>(copy.data());
  if (document.HasParseError()) {
    return refuse(text.empty() ? "it is empty"
                               : "no JSON at byte " + std::to_string(document.GetErrorOffset()));
  }
  try {
    visit(AnswerValue(static_cast<const rapidjson::Value*>(&document)));
  } catch (const AnswerMismatch& mismatch) { return refuse(mismatch.message); }
  return std::nullopt;
}

void read_row(const std::string& place, Harvest& harvest, const std::function<void()>& read) {
  try {
    read();
  } catch (const AnswerMismatch& mismatch) {
    add_remark(harvest, "row refused", place + ": " + mismatch.message);
  }
}

void for_each_row(const AnswerValue& list, std::string_view name, Harvest& harvest,
                  const std::function<void(const AnswerValue&)>& row) {
  std::size_t index = 0;
  for (const AnswerValue& item : list.list()) {
    read_row(std::string(name) + "[" + std::to_string(index) + "]", harvest, [&] { row(item); });
    ++index;
  }
}

bool AnswerValue::is_null() const {
  return tree(value_).IsNull();
}

bool AnswerValue::is_object() const {
  return tree(value_).IsObject();
}

bool AnswerValue::is_list() const {
  return tree(value_).IsArray();
}

std::optional<AnswerValue> AnswerValue::find(std::string_view name) const {
  const rapidjson::Value& object = tree(value_);
  require(object.IsObject(), object, "an object");
  for (const auto& member : object.GetObject()) {
    if (text_of(member.name) != name) { continue; }
    if (member.value.IsNull()) { return std::nullopt; }
    return AnswerValue(&member.value);
  }
  return std::nullopt;
}

AnswerValue AnswerValue::at(std::string_view name) const {
  const std::optional<AnswerValue> found = find(name);
  if (!found) { throw AnswerMismatch{"the field " + std::string(name) + " is missing"}; }
  return *found;
}

std::vector<AnswerValue> AnswerValue::list() const {
  const rapidjson::Value& list = tree(value_);
  require(list.IsArray(), list, "a list");
  std::vector<AnswerValue> values;
  values.reserve(list.Size());
  for (const rapidjson::Value& value : list.GetArray()) { values.emplace_back(&value); }
  return values;
}

std::vector<std::pair<std::string, AnswerValue>> AnswerValue::members() const {
  const rapidjson::Value& object = tree(value_);
  require(object.IsObject(), object, "an object");
  std::vector<std::pair<std::string, AnswerValue>> members;
  members.reserve(object.MemberCount());
  for (const auto& member : object.GetObject()) {
    members.emplace_back(std::string(text_of(member.name)), AnswerValue(&member.value));
  }
  return members;
}

std::string AnswerValue::text() const {
  const rapidjson::Value& value = tree(value_);
  require(value.IsString(), value, "a text");
  return std::string(text_of(value));
}

bool AnswerValue::boolean() const {
  const rapidjson::Value& value = tree(value_);
  require(value.IsBool(), value, "true or false");
  return value.GetBool();
}

Money AnswerValue::money() const {
  const rapidjson::Value& value = tree(value_);
  require(value.IsString(), value, "an amount");
  const std::optional<Money> amount = round_money(text_of(value));
  require(amount.has_value(), value, "an amount");
  return *amount;
}

std::int64_t AnswerValue::rounded() const {
  constexpr std::int64_t kMillion = 1'000'000;
  const std::int64_t micros = money().micros;
  const std::int64_t half = micros < 0 ? -kMillion / 2 : kMillion / 2;
  return (micros / kMillion) + (micros % kMillion + half) / kMillion;
}

std::int64_t AnswerValue::integer(std::int64_t least, std::int64_t most) const {
  const rapidjson::Value& value = tree(value_);
  require(value.IsString(), value, "a whole number");
  const std::optional<std::int64_t> number = parse_int(text_of(value));
  require(number.has_value(), value, "a whole number");
  require(*number >= least && *number <= most, value, "in range");
  return *number;
}

std::string AnswerValue::text_or(std::string_view name, std::string_view otherwise) const {
  const std::optional<AnswerValue> found = find(name);
  return found ? found->text() : std::string(otherwise);
}

bool AnswerValue::boolean_or(std::string_view name, bool otherwise) const {
  const std::optional<AnswerValue> found = find(name);
  return found ? found->boolean() : otherwise;
}

void AnswerValue::refuse(const std::string& why) {
  throw AnswerMismatch{why};
}

}  // namespace gpubroker
