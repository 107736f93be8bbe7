#include "cmd/errors.hpp"

#include <iostream>

#include "cmd/table.hpp"
#include "cmd/terminal.hpp"
#include "core/wire/json.hpp"

namespace gpubroker {
namespace {

constexpr std::size_t kMostRows = 24;

Json text_or_null(const std::string& text) {
  return text.empty() ? Json(nullptr) : Json(text);
}

}  // namespace

std::string error_json(const Error& error, const std::vector<Judged>& refused) {
  Json body = {{"kind", to_string(error.kind)},    {"message", error.message},
               {"hint", text_or_null(error.hint)}, {"source", text_or_null(error.source)},
               {"code", text_or_null(error.code)}, {"exit", exit_code(error.kind)}};
  if (!refused.empty()) { body["refused"] = Json::array(); }
  for (const Judged& one : refused) {
    const OfferKey& key = one.offer.key;
    body["refused"].push_back({{"provider", key.provider},
                               {"region", key.region},
                               {"zone", text_or_null(key.zone)},
                               {"instance_type", key.instance_type},
                               {"market", to_string(key.market)},
                               {"kind", one.kind},
                               {"reason", one.why}});
  }
  return dump_json({{"schema", 1}, {"error", std::move(body)}});
}

std::string error_prose(const Error& error, const std::vector<Judged>& refused) {
  std::string out = "error: " + (error.source.empty() ? "" : error.source + ": ") + plain(error.message);
  if (!error.code.empty() && error.code != "no-terminal" && error.code != "usage") {
    out += " [" + plain(error.code) + "]";
  }
  out += "\n";
  Table rows({"PROVIDER", "REGION", "MACHINE", "MARKET", "KIND", "REASON"});
  for (std::size_t i = 0; i < refused.size() && i < kMostRows; ++i) {
    const OfferKey& key = refused[i].offer.key;
    rows.add({key.provider, key.zone.empty() ? key.region : key.zone, key.instance_type,
              std::string(to_string(key.market)), refused[i].kind, refused[i].why});
  }
  if (!rows.empty()) {
    const std::string table = rows.aligned("  ");
    out += table.substr(table.find('\n') + 1);
  }
  if (refused.size() > kMostRows) {
    out += "  … and " + std::to_string(refused.size() - kMostRows) + " more\n";
  }
  if (!error.hint.empty()) { out += "hint: " + plain(error.hint) + "\n"; }
  return out;
}

int show_error(const Error& error, bool json, const std::vector<Judged>& refused) {
  std::cerr << error_prose(error, refused);
  if (json) { std::cout << error_json(error, refused) << std::endl; }
  return exit_code(error.kind);
}

}  // namespace gpubroker
