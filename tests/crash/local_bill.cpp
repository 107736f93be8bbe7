// Prints the local provider's own bill of a home: what the ledger must equal. One line a piece:
// node, from and to in milliseconds, amount in micro-dollars.
#include <iostream>

#include "core/system/files.hpp"
#include "providers/local/bill.hpp"

// NOLINTNEXTLINE(bugprone-exception-escape): only what the library throws when memory is out.
int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: gpubroker-local-bill HOME\n";
    return 2;
  }
  gpubroker::PosixFiles files;
  const auto bill = gpubroker::local::local_bill(files, std::string(argv[1]) + "/local");
  if (!bill.ok()) {
    std::cerr << bill.error().message << '\n';
    return 1;
  }
  for (const gpubroker::local::BillLine& line : bill.value()) {
    std::cout << line.node.value << ',' << line.from.ms << ',' << line.to.ms << ',' << line.amount.micros
              << '\n';
  }
  return 0;
}
