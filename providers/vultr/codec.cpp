#include "providers/vultr/codec.hpp"

#include <array>

#include "core/base/text.hpp"
#include "core/wire/answer_json.hpp"
#include "core/wire/api_key.hpp"
#include "core/wire/cloud_answer.hpp"
#include "core/wire/gpu_words.hpp"
#include "core/wire/harvest_rows.hpp"
#include "core/wire/url.hpp"

namespace gpubroker::vultr {
namespace {

struct Card {
  std::string_view type;
  int memory_gib;
};
/// Whole cards, as a plan's gpu_vram_gb counts them; metal plans do not tell the memory. The A100's 80 GB is
/// in the API notes read 2026-11; the others are the cards' own sizes from memory, to be checked against the
/// plans. An A16 board is four GPUs of 16 GB, told one by one.
constexpr std::array kCards = {
    Card{"A16", 16},  Card{"A40", 48},   Card{"A100", 80},    Card{"L40S", 48},
    Card{"H100", 80}, Card{"GH200", 96}, Card{"MI300X", 192}, Card{"B200", 180},
};

struct Found {
  std::string words = {};
  int memory_gib = 0;
  int count = 0;  // 0: no whole GPU
};

/// The memory of a whole card of that name, 0 when nobody knows it.
int card_memory(std::string_view name) {
  for (const Card& card : kCards) {
    if (card.type == upper(name)) { return card.memory_gib; }
  }
  return 0;
}

/// Of a cloud plan: "NVIDIA_A100" and the memory of all its cards.
Found read_cloud(const AnswerValue& row, Harvest& harvest) {
  const std::string type = row.at("gpu_type").text();
  const int memory_gib = row.at("gpu_vram_gb").whole<int>();
  const std::size_t line = type.rfind('_');
  const int card_gib = card_memory(line == std::string::npos ? type : type.substr(line + 1));
  if (card_gib == 0) { AnswerValue::refuse("nobody knows how large a card of " + type + " is"); }
  if (memory_gib < card_gib || memory_gib % card_gib != 0) {
    add_remark(harvest, "a fraction of a card", row.at("id").text());
    return {};
  }
  return {.words = type, .memory_gib = card_gib, .count = memory_gib / card_gib};
}

/// Of a metal plan's id: "vbm-112c-2048gb-8-h100-gpu", "vbm-72c-480gb-gh200-gpu".
Found read_metal(const std::string& id) {
  const std::vector<std::string> words = split(id, '-');
  if (words.size() < 3 || words.back() != "gpu") { return {}; }
  constexpr std::int64_t kMost = 1'024;
  const std::optional<std::int64_t> count = parse_int(words[words.size() - 3]);
  const bool is_told = count && *count > 0 && *count <= kMost;
  const std::string& name = words[words.size() - 2];
  return {.words = name, .memory_gib = card_memory(name), .count = is_told ? static_cast<int>(*count) : 1};
}

/// On-demand, or preemptible where that price is told; one listing for each location.
void add_market(Listing listing, Market market, Money price, const std::vector<AnswerValue>& locations,
                Harvest& harvest) {
  if (price.micros < 0) { AnswerValue::refuse("the price cannot be"); }
  if (price.micros == 0) { return; }
  listing.offer.key.market = market;
  listing.offer.price = {price.micros};
  listing.availability = {.kind = AvailabilityKind::level, .value = 1, .basis = "vultr plan locations"};
  if (locations.empty()) {
    listing.availability.value = 0;
    harvest.listings.push_back(listing);
  }
  for (const AnswerValue& location : locations) {
    listing.offer.key.region = location.text();
    harvest.listings.push_back(listing);
  }
}

void read_plan(const AnswerValue& row, Plans plans, Instant now, Harvest& harvest) {
  const bool is_metal = plans == Plans::metal;
  const std::string id = row.at("id").text();
  const Found gpu = is_metal ? read_metal(id) : read_cloud(row, harvest);
  if (gpu.count == 0) { return; }
  Listing listing;
  Offer& offer = listing.offer;
  offer.key = {.provider = "vultr", .region = "any", .instance_type = id};
  listing.gpu_text = gpu.words;
  offer.gpu = {.model = "", .form = form_in(gpu.words), .memory_gib = gpu.memory_gib, .count = gpu.count};
  offer.vcpus = row.at(is_metal ? "cpu_threads" : "vcpu_count").whole<int>();
  offer.memory_mib = row.at("ram").whole<std::int64_t>();
  listing.disk_gib = row.whole_or("disk", std::int32_t{0});
  offer.learnt_at = now;
  offer.source = is_metal ? "vultr/plans-metal" : "vultr/plans";
  fill_host(listing);
  const std::vector<AnswerValue> locations = row.at("locations").list();
  add_market(listing, Market::on_demand, row.at("hourly_cost").money(), locations, harvest);
  if (const std::optional<AnswerValue> price = row.find("hourly_cost_preemptible")) {
    add_market(listing, Market::spot, price->money(), locations, harvest);
  }
}

}  // namespace

HttpRequest encode_plans(Plans plans, const std::string& cursor) {
  HttpRequest request;
  request.url = kBase;
  request.url += plans == Plans::metal ? "/plans-metal?per_page=500" : "/plans?type=vcg&per_page=500";
  if (!cursor.empty()) { request.url += "&cursor=" + url_encode(cursor); }
  request.headers = {{"Accept", "application/json"}};
  return request;
}

Result<PlansPage> parse_plans(std::string_view body, Plans plans, Instant now) {
  const std::string name = plans == Plans::metal ? "plans_metal" : "plans";
  return read_answer(body, "vultr GET /" + name, [&](const AnswerValue& root) -> Result<PlansPage> {
    PlansPage page;
    for_each_row(root.at(name), name, page.harvest,
                 [&](const AnswerValue& row) { read_plan(row, plans, now, page.harvest); });
    drop_repeated(page.harvest);
    const std::optional<AnswerValue> meta = root.find("meta");
    const std::optional<AnswerValue> links = meta ? meta->find("links") : std::nullopt;
    if (links) { page.next = links->text_or("next"); }
    return page;
  });
}

HttpRequest encode_account(const Secret& key) {
  std::string url(kBase);
  url += "/account";
  return bearer_get(url, key);
}

Status parse_account(std::string_view body, AccessReport& report) {
  return read_answer(body, "vultr GET /account", [&](const AnswerValue& root) -> Status {
    const AnswerValue account = root.at("account");
    report.identity = account.text_or("email");
    const std::optional<AnswerValue> rights = account.find("acls");
    Permission order{.name = "provisioning", .what_for = "ordering machines"};
    if (rights) {
      order.state = Permission::State::missing;
      for (const AnswerValue& right : rights->list()) {
        if (right.text() == order.name) { order.state = Permission::State::granted; }
      }
    }
    report.permissions.push_back(order);
    return Ok{};
  });
}

Error parse_error(const HttpResponse& answer, const std::string& path, Instant now) {
  std::string message;
  static_cast<void>(
      visit_answer(answer.body, "vultr", [&](const AnswerValue& root) { message = root.text_or("error"); }));
  return error_from_answer(answer, "vultr GET " + path, "", message, now);
}

}  // namespace gpubroker::vultr
