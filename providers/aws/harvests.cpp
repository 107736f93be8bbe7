#include "providers/aws/harvests.hpp"

#include <iterator>

namespace gpubroker::aws {

void add_harvest(Harvest part, Harvest& whole) {
  whole.listings.insert(whole.listings.end(), std::make_move_iterator(part.listings.begin()),
                        std::make_move_iterator(part.listings.end()));
  whole.signals.insert(whole.signals.end(), std::make_move_iterator(part.signals.begin()),
                       std::make_move_iterator(part.signals.end()));
  for (const Remark& remark : part.remarks) {
    add_remark(whole, remark.what, remark.detail);
    for (Remark& known : whole.remarks) {
      if (known.what == remark.what) { known.count += remark.count - 1; }
    }
  }
}

}  // namespace gpubroker::aws
