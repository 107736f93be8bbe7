// Precompiled for the commands: what nearly all of them include themselves.
#include "cmd/commands.hpp"
#include "core/base/pch.hpp"
#include "core/broker/broker.hpp"
#include "core/wire/json.hpp"
