#pragma once
#include <functional>
#include <string>

#include "core/ports/cloud_machine.hpp"
#include "providers/azure/machines.hpp"
#include "providers/azure/session.hpp"

namespace gpubroker::azure {

/// Resource Manager for who changes things there. Made of one login and one subscription; may be used from
/// many threads after open().
class Arm {
 public:
  explicit Arm(const CloudParts& parts);

  /// Logs in and finds the subscription. Errors: as Session's.
  Status open();
  [[nodiscard]] const std::string& subscription() const { return session_.subscription(); }

  Result<std::string> get(const std::string& url);
  /// All pages from `url` on, `read` giving a Page of a body, added to `rows`.
  template <class Row>
  Status list(const std::string& url, const std::function<Result<Page<Row>>(const std::string& body)>& read,
              std::vector<Row>& rows);
  /// PUT or PATCH or DELETE. While somebody else's operation is under way at the thing: again, for as long as
  /// kPatience. An error of a server that may have done it has maybe_applied.
  Result<HttpResponse> change(const HttpRequest& request);
  /// PUT, and waits until the thing is provisioned: what it is then.
  Result<Resource> put_and_wait(const std::string& url, std::string body);
  /// DELETE; the gone succeeds, and nobody waits for it to go.
  Status remove(const std::string& url);
  /// After an accepted booking: waits until the machine is allocated, or cannot be, but no longer than
  /// kPatience; whether it boots is not waited for. Whether it is allocated by then; the operation's error,
  /// or `network` with maybe_applied when it cannot be asked.
  Result<bool> await_allocation(const std::string& machine_id, const HttpResponse& accepted);

 private:
  /// One look at an operation; how long it wants to be left alone then.
  Result<Operation> look(const std::string& url, Millis& pause);

  Clock& clock_;
  const Validators none_ = {};
  const FeedRequest visit_;
  Session session_;
};

template <class Row>
Status Arm::list(const std::string& url,
                 const std::function<Result<Page<Row>>(const std::string& body)>& read,
                 std::vector<Row>& rows) {
  return session_.pages(url, [&](const std::string& body) -> Result<std::string> {
    TRY(Page<Row> page, read(body));
    for (Row& row : page.rows) { rows.push_back(std::move(row)); }
    return page.next;
  });
}

}  // namespace gpubroker::azure
