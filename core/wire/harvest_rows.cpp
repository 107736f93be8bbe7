#include "core/wire/harvest_rows.hpp"

#include <iterator>
#include <tuple>
#include <utility>

namespace gpubroker {

void drop_repeated(Harvest& harvest) {
  std::set<std::tuple<OfferKey, std::string, std::string>> seen;
  std::vector<Listing> kept;
  kept.reserve(harvest.listings.size());
  for (Listing& listing : harvest.listings) {
    if (seen.emplace(listing.offer.key, listing.seller, listing.variant).second) {
      kept.push_back(std::move(listing));
    } else {
      add_remark(harvest, "row told twice", format_offer_key(listing.offer.key));
    }
  }
  harvest.listings = std::move(kept);
}

void add_harvest(Harvest& all, Harvest one) {
  const auto move_to = [](auto& to, auto& from) {
    to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
  };
  move_to(all.listings, one.listings);
  move_to(all.signals, one.signals);
  move_to(all.unchanged, one.unchanged);
  move_to(all.failed, one.failed);
  for (const Remark& remark : one.remarks) {
    add_remark(all, remark.what, remark.detail);
    for (Remark& kept : all.remarks) {
      if (kept.what == remark.what) { kept.count += remark.count - 1; }
    }
  }
}

std::vector<Result<Harvest>> harvest_each(FanOut& fan_out, std::size_t count, std::size_t most,
                                          const std::function<Result<Harvest>(std::size_t)>& ask) {
  std::vector<Result<Harvest>> answers(count, Harvest{});
  fan_out.run(count, most, [&](std::size_t i) { answers[i] = ask(i); });
  return answers;
}

Status PageTurner::turn(const std::string& token, const std::string& source) {
  constexpr std::size_t kMost = 1'000;
  if (!seen_.insert(token).second) {
    return Error{.kind = ErrorKind::internal,
                 .message = "the pages run in a circle",
                 .source = source,
                 .code = "pages"};
  }
  if (seen_.size() > kMost) {
    return Error{
        .kind = ErrorKind::internal, .message = "more than 1,000 pages", .source = source, .code = "pages"};
  }
  return Ok{};
}

}  // namespace gpubroker
