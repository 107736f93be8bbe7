#pragma once
// What every object store must do: one list of checks for all of them.
#include <functional>
#include <memory>

#include "core/ports/object_store.hpp"

namespace gpubroker::testing {

/// Each check gets an empty store of its own, held by what it stands on.
using MakeStore = std::function<std::shared_ptr<ObjectStore>()>;
void check_store_contract(const MakeStore& make);

}  // namespace gpubroker::testing
