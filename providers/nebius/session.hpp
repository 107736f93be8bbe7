#pragma once
// One visit: a token, and lists followed over their pages.
#include <map>
#include <string>
#include <vector>

#include "core/ports/price_feed.hpp"
#include "core/wire/harvest_rows.hpp"
#include "providers/nebius/codec.hpp"
#include "providers/nebius/credentials.hpp"

namespace gpubroker::nebius {

class Session {
 public:
  /// `auth` with code "no_credentials" when there is nothing usable.
  static Result<Session> open(const Access& access, const FeedRequest& request);

  /// May be called from several threads at once.
  [[nodiscard]] Result<std::string> call(const Method& method, std::string_view message) const;
  /// The same with encode_change. `maybe_applied` when it may have been done in spite of the error.
  [[nodiscard]] Result<std::string> change(const Method& method, std::string_view message,
                                           const std::string& idempotency_key = "") const;

  /// All items of a list: `encode` makes the request for a page token, `parse` reads a page.
  template <class T, class Encode, class Parse>
  [[nodiscard]] Result<std::vector<T>> list(const Method& method, Encode encode, Parse parse) const {
    std::vector<T> items;
    PageTurner pages;
    std::string token;
    do {
      TRY(const std::string message, call(method, encode(token)));
      TRY(Page<T> page, parse(message));
      items.insert(items.end(), page.items.begin(), page.items.end());
      token = page.next;
      if (!token.empty()) {
        TRY([[maybe_unused]] const Ok turned, pages.turn(token, "nebius " + std::string(method.name)));
      }
    } while (!token.empty());
    return items;
  }

  [[nodiscard]] Result<std::vector<std::string>> tenants() const;
  /// All of all tenants.
  [[nodiscard]] Result<std::vector<Project>> projects() const;
  /// One project of each region: what a region sells is the same for all. The profile's own where it has one.
  [[nodiscard]] Result<std::map<std::string, std::string>> projects_by_region() const;
  [[nodiscard]] Result<std::vector<Preset>> presets(const std::string& project, Harvest& harvest) const;

 private:
  Session(Http& http, Clock& clock, const Access& access, Secret token)
      : http_(&http),
        clock_(&clock),
        domain_(access.domain),
        tenant_(access.tenant),
        project_(access.project),
        token_(std::move(token)) {}
  Http* http_;
  Clock* clock_;
  std::string domain_;
  std::string tenant_;
  std::string project_;
  Secret token_;
};

}  // namespace gpubroker::nebius
