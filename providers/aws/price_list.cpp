#include "providers/aws/price_list.hpp"

#include <array>
#include <cstring>

#include "core/base/text.hpp"
#include "core/wire/answer_json.hpp"
#include "providers/aws/facts.hpp"
#include "providers/aws/harvests.hpp"

namespace gpubroker::aws {
namespace {

constexpr std::string_view kSource = "aws price list";
constexpr std::size_t kMostCaptured = 1U << 20U;  // a product or a SKU's prices: 2 KB in truth
constexpr std::size_t kMostTypes = 4'096;
constexpr std::size_t kMostWanted = 20'000;
constexpr std::size_t kMostKey = 4'096;

bool is_blank(char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

std::size_t find(std::string_view text, std::string_view words) {
  // std::string_view::find looks for the first character alone, which in JSON is everywhere.
  const void* const found = memmem(text.data(), text.size(), words.data(), words.size());
  if (found == nullptr) { return std::string_view::npos; }
  return static_cast<std::size_t>(static_cast<const char*>(found) - text.data());
}

/// The text after `"name" :`, as it is spelled. Empty: not there, or no text.
std::string_view member_text(std::string_view object, std::string_view name) {
  std::size_t at = find(object, name);
  if (at == std::string_view::npos) { return {}; }
  at += name.size();
  while (at < object.size() && (is_blank(object[at]) || object[at] == ':')) { ++at; }
  if (at >= object.size() || object[at] != '"') { return {}; }
  const std::size_t end = object.find('"', at + 1);
  return end == std::string_view::npos ? std::string_view() : object.substr(at + 1, end - at - 1);
}

struct Condition {
  const char* name;
  std::string_view value;
};
constexpr std::array kLinuxOnDemand = {
    Condition{"operatingSystem", "Linux"},  Condition{"tenancy", "Shared"},
    Condition{"preInstalledSw", "NA"},      Condition{"capacitystatus", "Used"},
    Condition{"marketoption", "OnDemand"},  Condition{"licenseModel", "No License required"},
    Condition{"operation", "RunInstances"},
};

bool is_linux_on_demand(const AnswerValue& product, const AnswerValue& attributes) {
  if (product.text_or("productFamily") != "Compute Instance") { return false; }
  for (const Condition& condition : kLinuxOnDemand) {
    if (attributes.text_or(condition.name) != condition.value) { return false; }
  }
  return true;
}

/// "2,048 GiB"
std::int64_t read_memory_mib(std::string text) {
  std::erase(text, ',');
  const std::size_t unit = text.find(" GiB");
  const std::optional<Money> gib = round_money(text.substr(0, unit));
  if (unit == std::string::npos || !gib) {
    AnswerValue::refuse("the memory '" + text + "' is no number of GiB");
  }
  return gib->micros * 1'024 / 1'000'000;
}

/// The shape of a type that our table does not know, from the product's attributes.
void read_shape(const AnswerValue& attributes, Listing& listing) {
  listing.offer.gpu.count = attributes.at("gpu").whole<int>();
  listing.offer.vcpus = attributes.at("vcpu").whole<int>();
  listing.offer.memory_mib = read_memory_mib(attributes.at("memory").text());
}

}  // namespace

Result<std::map<std::string, std::string>> parse_region_index(std::string_view body) {
  return read_answer(body, kSource,
                     [](const AnswerValue& root) -> Result<std::map<std::string, std::string>> {
                       std::map<std::string, std::string> files;
                       for (const auto& [code, row] : root.at("regions").members()) {
                         if (is_region_name(code)) { files[code] = row.at("currentVersionUrl").text(); }
                       }
                       return files;
                     });
}

PriceListReader::PriceListReader(std::string region, Instant now) : region_(std::move(region)), now_(now) {}

void PriceListReader::begin_second_pass() {
  second_pass_ = true;
  prices_passed_by_ = false;
  on_demand_seen_ = false;
  await_ = Await::root;
  level_ = Level::root;
  taken_ = 0;
}

bool PriceListReader::knows_all() const {
  return on_demand_seen_ && level_ != Level::on_demand && products_seen_ && level_ != Level::products &&
         !needs_second_pass();
}

void PriceListReader::refuse(const std::string& why) {
  if (problem_.empty()) { problem_ = why; }
}

Status PriceListReader::take(std::string_view piece) {
  std::size_t at = 0;
  while (at < piece.size() && problem_.empty()) { at = step(piece, at); }
  if (!problem_.empty()) {
    return Error{.kind = ErrorKind::internal,
                 .message = "cannot read the price list of " + region_ + ": " + problem_ + " at byte " +
                            std::to_string(taken_ + static_cast<std::int64_t>(at)),
                 .source = std::string(kSource)};
  }
  taken_ += static_cast<std::int64_t>(piece.size());
  return Ok{};
}

Status PriceListReader::finish() const {
  if (await_ == Await::nothing && problem_.empty()) { return Ok{}; }
  return Error{.kind = ErrorKind::internal,
               .message = "the price list of " + region_ + " ends in the middle, after " +
                          std::to_string(taken_) + " bytes",
               .source = std::string(kSource)};
}

/// Moves on from piece[at], at least by one byte unless something is refused.
std::size_t PriceListReader::step(std::string_view piece, std::size_t at) {
  switch (await_) {
    case Await::nested:
      return step_nested(piece, at);
    case Await::in_key:
      return step_key(piece, at);
    case Await::in_text:
      return step_text(piece, at);
    case Await::root:
    case Await::key:
    case Await::colon:
    case Await::value:
    case Await::primitive:
    case Await::nothing:
      break;
  }
  const char c = piece[at];
  if (await_ == Await::primitive) {
    if (c != ',' && c != '}' && !is_blank(c)) { return at + 1; }
    await_ = Await::key;
    return at;
  }
  if (is_blank(c)) { return at + 1; }
  switch (await_) {
    case Await::root:
      if (c != '{') {
        refuse(c == '<' ? "it is a web page, not JSON" : "no JSON object");
        return at;
      }
      await_ = Await::key;
      return at + 1;
    case Await::key:
      if (c == '"') {
        key_.clear();
        escaped_ = false;
        await_ = Await::in_key;
      } else if (c == '}') {
        leave();
      } else if (c != ',') {
        refuse("a name is missing");
      }
      return at + 1;
    case Await::colon:
      if (c != ':') { refuse("a colon is missing"); }
      await_ = Await::value;
      return at + 1;
    case Await::value:
      return step_value(piece, at);
    case Await::nothing:
      refuse("something follows the end");
      return at;
    case Await::nested:
    case Await::in_key:
    case Await::in_text:
    case Await::primitive:
      break;
  }
  return at + 1;
}

void PriceListReader::leave() {
  switch (level_) {
    case Level::root:
      await_ = Await::nothing;
      return;
    case Level::products:
    case Level::terms:
      level_ = Level::root;
      return;
    case Level::on_demand:
      level_ = Level::terms;
      return;
  }
}

std::size_t PriceListReader::step_key(std::string_view piece, std::size_t at) {
  for (; at < piece.size(); ++at) {
    const char c = piece[at];
    if (!escaped_ && c == '"') {
      await_ = Await::colon;
      return at + 1;
    }
    escaped_ = !escaped_ && c == '\\';
    if (key_.size() == kMostKey) {
      refuse("a name is too long");
      return at;
    }
    key_ += c;  // as it is spelled: an escaped name is none of ours
  }
  return at;
}

std::size_t PriceListReader::step_value(std::string_view piece, std::size_t at) {
  const char c = piece[at];
  if (c == '"') {
    escaped_ = false;
    await_ = Await::in_text;
    return at + 1;
  }
  if (c != '{' && c != '[') {
    await_ = Await::primitive;
    return c == ',' || c == '}' ? at : at + 1;
  }
  await_ = Await::key;
  if (c == '{' && level_ == Level::root && key_ == "products" && !second_pass_) {
    level_ = Level::products;
    products_seen_ = true;
    return at + 1;
  }
  if (c == '{' && level_ == Level::root && key_ == "terms") {
    level_ = Level::terms;
    return at + 1;
  }
  if (c == '{' && level_ == Level::terms && key_ == "OnDemand") {
    level_ = Level::on_demand;
    on_demand_seen_ = true;
    if (!products_seen_) { prices_passed_by_ = true; }
    return at + 1;
  }
  use_ = Use::none;
  if (level_ == Level::products) { use_ = Use::product; }
  if (level_ == Level::on_demand && wanted_.find(std::string_view(key_)) != wanted_.end()) {
    use_ = Use::prices;
  }
  skipper_.begin();
  captured_.clear();
  await_ = Await::nested;
  return step_nested(piece, at);
}

std::size_t PriceListReader::step_nested(std::string_view piece, std::size_t at) {
  const std::size_t length = skipper_.take(piece.substr(at));
  const std::string_view part = piece.substr(at, length);
  const bool ended = skipper_.ended();
  if (ended) { await_ = Await::key; }
  if (use_ == Use::none) { return at + length; }
  if (ended && captured_.empty()) {
    use(part);
    return at + length;
  }
  if (captured_.size() + part.size() > kMostCaptured) {
    refuse("the value of '" + key_.substr(0, 40) + "' is too long");
    return at;
  }
  captured_ += part;
  if (ended) { use(captured_); }
  return at + length;
}

std::size_t PriceListReader::step_text(std::string_view piece, std::size_t at) {
  for (; at < piece.size(); ++at) {
    if (!escaped_ && piece[at] == '"') {
      await_ = Await::key;
      return at + 1;
    }
    escaped_ = !escaped_ && piece[at] == '\\';
  }
  return at;
}

void PriceListReader::use(std::string_view value) {
  if (use_ == Use::product) {
    if (may_be_wanted(value)) { read_product(value); }
  } else {
    read_prices(value);
  }
}

bool PriceListReader::is_accelerator(std::string_view type, std::string_view product) {
  if (find_type(type) != nullptr) { return true; }
  const auto met = accelerators_.find(type);
  if (met != accelerators_.end()) { return met->second; }
  const bool has_gpu = find(product, "\"gpu\"") != std::string_view::npos;
  if (accelerators_.size() < kMostTypes) { accelerators_.emplace(type, has_gpu); }
  return has_gpu;
}

/// A quick look at the bytes. Whatever is spelled with escapes is read properly.
bool PriceListReader::may_be_wanted(std::string_view text) {
  if (skipper_.saw_backslash()) { return true; }
  const std::string_view type = member_text(text, "\"instanceType\"");
  return !type.empty() && is_accelerator(type, text) &&
         find(text, "\"RunInstances\"") != std::string_view::npos;
}

void PriceListReader::read_product(std::string_view text) {
  const std::optional<Error> error = visit_answer(text, kSource, [&](const AnswerValue& product) {
    read_row("products." + key_, told_, [&] {
      const std::optional<AnswerValue> attributes = product.find("attributes");
      // A free-tier pseudo product has no instance type.
      if (!attributes || attributes->text_or("instanceType").empty()) { return; }
      if (!is_linux_on_demand(product, *attributes)) { return; }
      const std::string type = attributes->at("instanceType").text();
      const bool known = find_type(type) != nullptr;
      if (!known && !attributes->find("gpu")) { return; }
      if (attributes->at("regionCode").text() != region_) {
        add_remark(told_, "row of another region", type + " in " + attributes->at("regionCode").text());
        return;
      }
      Product wanted{.listing = listing_of(region_, "", type, Market::on_demand)};
      if (!known) { read_shape(*attributes, wanted.listing); }
      if (wanted.listing.offer.gpu.count == 0) { return; }
      if (wanted_.size() < kMostWanted) { wanted_.emplace(product.at("sku").text(), std::move(wanted)); }
    });
  });
  if (error) { add_remark(told_, "row refused", "products." + key_ + ": " + error->message); }
}

void PriceListReader::read_prices(std::string_view text) {
  Product& product = wanted_.find(std::string_view(key_))->second;
  const std::optional<Error> error = visit_answer(text, kSource, [&](const AnswerValue& terms) {
    for (const auto& [code, term] : terms.members()) {
      read_row("terms.OnDemand." + code, told_, [&, term = term] {
        const Result<Instant> from = parse_utc(term.text_or("effectiveDate", "1970-01-01"));
        if (!from.ok()) { AnswerValue::refuse("effectiveDate is no date"); }
        // A price that begins later is not today's; of two, the younger holds.
        if (from.value() > now_ || (product.priced && from.value() <= product.price_from)) { return; }
        for (const auto& [rate_code, rate] : term.at("priceDimensions").members()) {
          if (rate.at("unit").text() != "Hrs") {
            AnswerValue::refuse("the unit is " + rate.at("unit").text());
          }
          const AnswerValue amounts = rate.at("pricePerUnit");
          if (!amounts.find("USD")) { AnswerValue::refuse("no price in USD"); }
          const Money price = amounts.at("USD").money();
          if (price.micros <= 0) { AnswerValue::refuse("the price is not above zero"); }
          product.listing.offer.price = {price.micros};
          product.priced = true;
          product.price_from = from.value();
        }
      });
    }
  });
  if (error) { add_remark(told_, "row refused", "terms.OnDemand." + key_ + ": " + error->message); }
}

void PriceListReader::harvest(Harvest& harvest) const {
  add_harvest(told_, harvest);
  std::map<std::string, Listing> by_type;  // one price per type, whatever number of SKUs
  for (const auto& [sku, product] : wanted_) {
    const std::string& type = product.listing.offer.key.instance_type;
    if (!product.priced) {
      add_remark(harvest, "product without a price", region_ + " " + type + " " + sku);
      continue;
    }
    Listing listing = product.listing;
    listing.offer.learnt_at = now_;
    listing.offer.source = "aws/price-list";
    const auto [at, fresh] = by_type.emplace(type, listing);
    if (fresh || at->second.offer.price == listing.offer.price) { continue; }
    add_remark(harvest, "two prices of one type", region_ + " " + type + " " + sku);
  }
  for (auto& [type, listing] : by_type) { harvest.listings.push_back(std::move(listing)); }
}

}  // namespace gpubroker::aws
