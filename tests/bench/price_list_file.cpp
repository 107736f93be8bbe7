#include "tests/bench/price_list_file.hpp"

#include <array>

#include "providers/aws/facts.hpp"

namespace gpubroker::bench {
namespace {

// Of the whole file, with the product's terms.
constexpr std::int64_t kIndented = 3'600;
constexpr std::int64_t kCompact = 2'400;

class Writer {
 public:
  Writer(bool indented, const std::function<void(std::string_view)>& write)
      : indented_(indented), write_(write) {}

  void open(std::string_view name) {
    begin(name);
    text_ += '{';
    ++depth_;
    first_ = true;
  }
  void close() {
    --depth_;
    if (!first_) { line(); }
    text_ += '}';
    first_ = false;
    if (text_.size() > kPiece) { flush(); }
  }
  void member(std::string_view name, std::string_view value) {
    begin(name);
    text_ += '"';
    text_ += value;
    text_ += '"';
  }
  void empty_list(std::string_view name) {
    begin(name);
    text_ += indented_ ? "[ ]" : "[]";
  }
  void flush() {
    bytes_ += static_cast<std::int64_t>(text_.size());
    write_(text_);
    text_.clear();
  }
  [[nodiscard]] std::int64_t bytes() const { return bytes_; }

 private:
  static constexpr std::size_t kPiece = 1U << 20U;

  void begin(std::string_view name) {
    if (!first_) { text_ += ','; }
    if (depth_ > 0) { line(); }
    first_ = false;
    if (name.empty()) { return; }
    text_ += '"';
    text_ += name;
    text_ += indented_ ? "\" : " : "\":";
  }
  void line() {
    if (!indented_) { return; }
    text_ += '\n';
    text_.append(2 * static_cast<std::size_t>(depth_), ' ');
  }

  bool indented_;
  const std::function<void(std::string_view)>& write_;
  std::string text_ = {};
  int depth_ = 0;
  bool first_ = true;
  std::int64_t bytes_ = 0;
};

constexpr std::array kFamilies = {"m5", "c6i", "r7g", "t3", "x2idn", "i4i", "m7a", "hpc7g", "c5n", "z1d"};
constexpr std::array kSizes = {"large",   "xlarge",   "2xlarge",  "4xlarge",
                               "8xlarge", "12xlarge", "16xlarge", "metal"};
constexpr std::array kSystems = {"Linux", "Windows", "RHEL", "SUSE"};
constexpr std::array kUse = {"Used", "UnusedCapacityReservation", "AllocatedCapacityReservation"};

/// One product in 14 has an accelerator; of such, one in 72 is what is looked for.
struct Row {
  int index = 0;
  [[nodiscard]] bool accelerated() const { return index % 14 == 0; }
  [[nodiscard]] int turn() const { return index / 14; }
  [[nodiscard]] std::string type() const {
    if (accelerated()) {
      const auto types = aws::known_types();
      return std::string(types[static_cast<std::size_t>(turn()) / 72 % types.size()].type);
    }
    std::string type = kFamilies.at(static_cast<std::size_t>(index) % kFamilies.size());
    return type + "." + kSizes.at(static_cast<std::size_t>(index) / 7 % kSizes.size());
  }
  [[nodiscard]] std::string system() const { return kSystems.at(static_cast<std::size_t>(variant()) % 4); }
  [[nodiscard]] std::string use() const { return kUse.at(static_cast<std::size_t>(variant()) / 4 % 3); }
  [[nodiscard]] int variant() const { return accelerated() ? turn() % 72 : index % 71; }
  [[nodiscard]] bool shared() const { return variant() / 12 % 3 == 0; }
  [[nodiscard]] bool on_demand() const { return variant() / 36 == 0; }
  [[nodiscard]] bool wanted() const {
    return accelerated() && system() == "Linux" && use() == "Used" && shared() && on_demand();
  }
  [[nodiscard]] std::string sku() const {
    constexpr std::string_view kLetters = "ABCDEFGHJKMNPQRSTUVWXYZ23456789Z";
    std::uint64_t mixed = static_cast<std::uint64_t>(index + 1) * 0x9E3779B97F4A7C15U;
    std::string sku;
    for (int i = 0; i < 10; ++i, mixed >>= 5U) { sku += kLetters[mixed & 31U]; }
    return sku + std::to_string(100'000 + index);
  }
};

void write_product(Writer& file, const Row& row) {
  file.open(row.sku());
  file.member("sku", row.sku());
  file.member("productFamily", "Compute Instance");
  file.open("attributes");
  file.member("servicecode", "AmazonEC2");
  file.member("location", "US East (N. Virginia)");
  file.member("locationType", "AWS Region");
  file.member("instanceType", row.type());
  file.member("currentGeneration", "Yes");
  file.member("instanceFamily", row.accelerated() ? "GPU instance" : "General purpose");
  file.member("vcpu", "96");
  file.member("physicalProcessor", "Intel Xeon Platinum 8275CL (Cascade Lake)");
  file.member("clockSpeed", "3 GHz");
  file.member("memory", "1,152 GiB");
  file.member("storage", "8 x 1000 GB NVMe SSD");
  file.member("networkPerformance", "400 Gigabit");
  file.member("processorArchitecture", "64-bit");
  file.member("tenancy", row.shared() ? "Shared" : "Dedicated");
  file.member("operatingSystem", row.system());
  file.member("licenseModel", "No License required");
  file.member("usagetype", "BoxUsage:" + row.type());
  file.member("operation", row.on_demand() && row.system() == "Linux" ? "RunInstances" : "RunInstances:0002");
  file.member("availabilityzone", "NA");
  file.member("capacitystatus", row.use());
  file.member("classicnetworkingsupport", "false");
  file.member("dedicatedEbsThroughput", "19000 Mbps");
  file.member("ecu", "345");
  file.member("enhancedNetworkingSupported", "Yes");
  if (row.accelerated()) {
    file.member("gpu", "8");
    file.member("gpuMemory", "320 GB HBM2");
  }
  file.member("intelAvxAvailable", "Yes");
  file.member("intelAvx2Available", "Yes");
  file.member("intelTurboAvailable", "Yes");
  file.member("marketoption", row.on_demand() ? "OnDemand" : "CapacityBlock");
  file.member("normalizationSizeFactor", "192");
  file.member("preInstalledSw", "NA");
  file.member("processorFeatures", "Intel AVX; Intel AVX2; Intel AVX512; Intel Turbo");
  file.member("regionCode", "us-east-1");
  file.member("servicename", "Amazon Elastic Compute Cloud");
  file.member("vpcnetworkingsupport", "true");
  file.close();
  file.close();
}

void write_term(Writer& file, const Row& row, const std::string& code, bool reserved) {
  const std::string name = row.sku() + "." + code;
  file.open(name);
  file.member("offerTermCode", code);
  file.member("sku", row.sku());
  file.member("effectiveDate", "2026-09-01T00:00:00Z");
  file.open("priceDimensions");
  file.open(name + ".6YS6EN2CT7");
  file.member("rateCode", name + ".6YS6EN2CT7");
  file.member("unit", "Hrs");
  if (!reserved) {
    file.member("endRange", "Inf");
    file.empty_list("appliesTo");
    file.member("beginRange", "0");
  }
  file.member("description", "$21.957642 per On Demand \\\"Linux\\\" " + row.type() + " Instance Hour");
  file.open("pricePerUnit");
  file.member("USD", "21.9576420000");
  file.close();
  file.close();
  file.close();
  file.open("termAttributes");
  if (reserved) {
    file.member("LeaseContractLength", "3yr");
    file.member("OfferingClass", "convertible");
    file.member("PurchaseOption", "No Upfront");
  }
  file.close();
  file.close();
}

}  // namespace

PriceListTruth write_price_list(const PriceListShape& shape,
                                const std::function<void(std::string_view)>& write) {
  PriceListTruth truth;
  truth.products = static_cast<int>(shape.bytes / (shape.indented ? kIndented : kCompact)) + 1;
  Writer file(shape.indented, write);
  file.open("");
  file.member("formatVersion", "v1.0");
  file.member("disclaimer", "This pricing list is for informational purposes only.");
  file.member("offerCode", "AmazonEC2");
  file.member("version", "20260910195514");
  file.member("publicationDate", "2026-09-10T19:55:14Z");
  file.open("products");
  for (int i = 0; i < truth.products; ++i) {
    write_product(file, {i});
    truth.wanted += Row{i}.wanted() ? 1 : 0;
  }
  file.close();
  file.open("terms");
  for (const bool reserved : {false, true}) {
    file.open(reserved ? "Reserved" : "OnDemand");
    for (int i = 0; i < truth.products; ++i) {
      if (reserved && i % 4 != 0) { continue; }
      file.open(Row{i}.sku());
      write_term(file, {i}, "JRTCKXETXF", reserved);
      if (reserved) {
        for (const char* const code :
             {"6QCMYABX3D", "38NPMPTW36", "4NA7Y494T4", "BPH4J8HBKS", "7NE97W5U4E", "HU7G6KETJZ"}) {
          write_term(file, {i}, code, reserved);
        }
      }
      file.close();
    }
    file.close();
  }
  file.close();
  file.close();
  file.flush();
  truth.bytes = file.bytes();
  return truth;
}

}  // namespace gpubroker::bench
