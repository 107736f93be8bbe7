#pragma once
// Offers of the catalog as programs read them, every field: JSON and CSV. A catalog of 57,000 offers is 43 MB
// of JSON, so it is written piece by piece.
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "catalog/query.hpp"
#include "core/wire/flat_json.hpp"

namespace gpubroker {

/// Takes a piece of a text that goes out.
using TextSink = std::function<void(std::string_view)>;

/// The RFC 3339 texts of moments, each made once: offers share few.
class MomentTexts {
 public:
  const std::string& of(Instant at);

 private:
  std::unordered_map<std::int64_t, std::string> texts_ = {};
};

/// {"schema":1,"offers":[…]} on one line.
class OfferJson {
 public:
  OfferJson(int nodes, TextSink out) : nodes_(nodes), out_(std::move(out)) {}
  void add(const OfferRow& row);
  void finish();

 private:
  void begin();
  int nodes_;
  TextSink out_;
  FlatWriter json_ = {};
  MomentTexts moments_ = {};
  bool has_begun_ = false;
};

/// Comma-separated with a header (RFC 4180); nothing where there is no offer.
class OfferCsv {
 public:
  OfferCsv(int nodes, TextSink out) : nodes_(nodes), out_(std::move(out)) {}
  void add(const OfferRow& row);
  void finish();

 private:
  void cell(std::string_view text);
  void number(std::int64_t value);
  void end_line();
  void add_prices(const OfferRow& row);
  int nodes_;
  TextSink out_;
  std::string text_ = {};
  bool has_header_ = false;
  bool is_first_ = true;  // of the line
  MomentTexts moments_ = {};
};

std::string quarantine_json(const std::vector<QuarantineRow>& rows);

}  // namespace gpubroker
