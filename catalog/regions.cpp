#include "catalog/regions.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "core/base/text.hpp"

namespace gpubroker {
namespace {

struct Row {
  std::string_view word;
  std::string_view part;
};

/// What a region's first word says: AWS, GCP, OCI, IBM, Nebius, Lambda, Crusoe, RunPod, CoreWeave, OVH.
///
constexpr std::array kFirstWords = {
    Row{"us", "us"},           Row{"usa", "us"},       Row{"ca", "ca"},     Row{"canada", "ca"},
    Row{"eu", "eu"},           Row{"eur", "eu"},       Row{"europe", "eu"}, Row{"uk", "uk"},
    Row{"gb", "uk"},           Row{"ap", "asia"},      Row{"asia", "asia"}, Row{"sea", "asia"},
    Row{"au", "au"},           Row{"australia", "au"}, Row{"oc", "au"},     Row{"sa", "sa"},
    Row{"southamerica", "sa"}, Row{"me", "me"},        Row{"il", "me"},     Row{"af", "af"},
    Row{"africa", "af"},       Row{"mx", "sa"},        Row{"norway", "eu"}, Row{"fin", "eu"},
    Row{"ice", "eu"},          Row{"iceland", "eu"},   Row{"fr", "eu"},     Row{"nl", "eu"},
    Row{"pl", "eu"},           Row{"de", "eu"},        Row{"se", "eu"},     Row{"it", "eu"},
    Row{"es", "eu"},           Row{"in", "asia"},      Row{"jp", "asia"},   Row{"sg", "asia"},
    Row{"kr", "asia"},         Row{"is", "eu"},        Row{"no", "eu"},     Row{"cn", "asia"},
};

/// Azure's regions, and cities' names and airports that stand alone (DigitalOcean, Vultr), without their
/// numbers.
constexpr std::array kWholeNames = {
    Row{"eastus", "us"},
    Row{"westus", "us"},
    Row{"centralus", "us"},
    Row{"northcentralus", "us"},
    Row{"southcentralus", "us"},
    Row{"westcentralus", "us"},
    Row{"canadacentral", "ca"},
    Row{"canadaeast", "ca"},
    Row{"brazilsouth", "sa"},
    Row{"brazilsoutheast", "sa"},
    Row{"mexicocentral", "sa"},
    Row{"chilecentral", "sa"},
    Row{"northeurope", "eu"},
    Row{"westeurope", "eu"},
    Row{"francecentral", "eu"},
    Row{"francesouth", "eu"},
    Row{"germanywestcentral", "eu"},
    Row{"germanynorth", "eu"},
    Row{"swedencentral", "eu"},
    Row{"swedensouth", "eu"},
    Row{"polandcentral", "eu"},
    Row{"italynorth", "eu"},
    Row{"spaincentral", "eu"},
    Row{"norwayeast", "eu"},
    Row{"norwaywest", "eu"},
    Row{"switzerlandnorth", "eu"},
    Row{"switzerlandwest", "eu"},
    Row{"austriaeast", "eu"},
    Row{"belgiumcentral", "eu"},
    Row{"denmarkeast", "eu"},
    Row{"uksouth", "uk"},
    Row{"ukwest", "uk"},
    Row{"eastasia", "asia"},
    Row{"southeastasia", "asia"},
    Row{"japaneast", "asia"},
    Row{"japanwest", "asia"},
    Row{"koreacentral", "asia"},
    Row{"koreasouth", "asia"},
    Row{"centralindia", "asia"},
    Row{"southindia", "asia"},
    Row{"westindia", "asia"},
    Row{"jioindiawest", "asia"},
    Row{"indonesiacentral", "asia"},
    Row{"malaysiawest", "asia"},
    Row{"taiwannorth", "asia"},
    Row{"newzealandnorth", "au"},
    Row{"australiaeast", "au"},
    Row{"australiasoutheast", "au"},
    Row{"australiacentral", "au"},
    Row{"uaenorth", "me"},
    Row{"uaecentral", "me"},
    Row{"qatarcentral", "me"},
    Row{"israelcentral", "me"},
    Row{"southafricanorth", "af"},
    Row{"southafricawest", "af"},
    Row{"nyc", "us"},
    Row{"sfo", "us"},
    Row{"atl", "us"},
    Row{"ric", "us"},
    Row{"tor", "ca"},
    Row{"ams", "eu"},
    Row{"fra", "eu"},
    Row{"lon", "uk"},
    Row{"blr", "asia"},
    Row{"sgp", "asia"},
    Row{"syd", "au"},
    Row{"ewr", "us"},
    Row{"ord", "us"},
    Row{"dfw", "us"},
    Row{"sea", "us"},
    Row{"lax", "us"},
    Row{"sjc", "us"},
    Row{"mia", "us"},
    Row{"yto", "ca"},
    Row{"cdg", "eu"},
    Row{"lhr", "uk"},
    Row{"sto", "eu"},
    Row{"nrt", "asia"},
    Row{"itm", "asia"},
    Row{"icn", "asia"},
    Row{"bom", "asia"},
    Row{"del", "asia"},
    Row{"mel", "au"},
    Row{"sao", "sa"},
    Row{"tlv", "me"},
    Row{"jnb", "af"},
    Row{"waw", "eu"},
    Row{"mad", "eu"},
};

/// Country codes (ISO 3166) as markets write them after a place: "Quebec, CA". Those that are left out cannot
/// be told.
constexpr std::array kCountries = {
    Row{"us", "us"},   Row{"usa", "us"},  Row{"ca", "ca"},   Row{"gb", "uk"},   Row{"uk", "uk"},
    Row{"at", "eu"},   Row{"be", "eu"},   Row{"bg", "eu"},   Row{"ch", "eu"},   Row{"cy", "eu"},
    Row{"cz", "eu"},   Row{"de", "eu"},   Row{"dk", "eu"},   Row{"ee", "eu"},   Row{"es", "eu"},
    Row{"fi", "eu"},   Row{"fr", "eu"},   Row{"gr", "eu"},   Row{"hr", "eu"},   Row{"hu", "eu"},
    Row{"ie", "eu"},   Row{"is", "eu"},   Row{"it", "eu"},   Row{"lt", "eu"},   Row{"lu", "eu"},
    Row{"lv", "eu"},   Row{"md", "eu"},   Row{"mt", "eu"},   Row{"nl", "eu"},   Row{"no", "eu"},
    Row{"pl", "eu"},   Row{"pt", "eu"},   Row{"ro", "eu"},   Row{"rs", "eu"},   Row{"se", "eu"},
    Row{"si", "eu"},   Row{"sk", "eu"},   Row{"ua", "eu"},   Row{"cn", "asia"}, Row{"hk", "asia"},
    Row{"id", "asia"}, Row{"in", "asia"}, Row{"jp", "asia"}, Row{"kr", "asia"}, Row{"kz", "asia"},
    Row{"my", "asia"}, Row{"ph", "asia"}, Row{"sg", "asia"}, Row{"th", "asia"}, Row{"tw", "asia"},
    Row{"vn", "asia"}, Row{"au", "au"},   Row{"nz", "au"},   Row{"ar", "sa"},   Row{"br", "sa"},
    Row{"cl", "sa"},   Row{"co", "sa"},   Row{"mx", "sa"},   Row{"ae", "me"},   Row{"il", "me"},
    Row{"qa", "me"},   Row{"sa", "me"},   Row{"tr", "me"},   Row{"eg", "af"},   Row{"za", "af"},
};

template <std::size_t count>
std::string_view look_up(const std::array<Row, count>& rows, std::string_view word) {
  const auto at = std::find_if(rows.begin(), rows.end(), [word](const Row& row) { return row.word == word; });
  return at == rows.end() ? std::string_view{} : at->part;
}

std::vector<std::string> words_of(std::string_view region) {
  std::vector<std::string> words(1);
  for (const char c : region) {
    const bool is_letter = c >= 'a' && c <= 'z';
    if (is_letter) {
      words.back() += c;
    } else if (!words.back().empty()) {
      words.emplace_back();
    }
  }
  if (words.back().empty()) { words.pop_back(); }
  return words;
}

}  // namespace

std::string_view part_of_world(std::string_view region) {
  const std::string name = lower(region);
  const std::size_t comma = name.rfind(',');
  if (comma != std::string::npos) {
    return look_up(kCountries, trim(std::string_view(name).substr(comma + 1)));
  }
  const std::vector<std::string> words = words_of(name);
  if (words.empty()) { return {}; }
  // Two exceptions of GCP and AWS: what begins with one part lies in another.
  if (words[0] == "northamerica") { return words.size() > 1 && words[1] == "south" ? "sa" : "ca"; }
  const bool is_sydney = name.substr(0, 14) == "ap-southeast-2" || name.substr(0, 14) == "ap-southeast-4" ||
                         name.substr(0, 14) == "ap-southeast-6" || name.substr(0, 9) == "ap-sydney" ||
                         name.substr(0, 12) == "ap-melbourne";
  if (is_sydney) { return "au"; }
  if (name.substr(0, 12) == "europe-west2" && (name.size() == 12 || name[12] == '-')) {
    return "uk";
  }  // London
  if (name.substr(0, 9) == "eu-west-2") { return "uk"; }
  // "sea1" of Vultr is Seattle, "SEA-SG-1" of RunPod South-East Asia: alone it is the airport.
  if (words.size() == 1) {
    const std::string_view whole = look_up(kWholeNames, words[0]);
    if (!whole.empty()) { return whole; }
  }
  if (words[0] == "eu" && words.size() > 1 && (words[1] == "gb" || words[1] == "uk")) { return "uk"; }
  const std::string_view first = look_up(kFirstWords, words[0]);
  return first.empty() ? look_up(kWholeNames, words[0]) : first;
}

bool is_in_region(std::string_view wanted, std::string_view region) {
  const std::string want = lower(trim(wanted));
  const std::string name = lower(region);
  if (want.empty()) { return true; }
  static constexpr std::array<std::string_view, 9> kParts = {"us", "ca", "eu", "uk", "asia",
                                                             "au", "sa", "me", "af"};
  if (std::find(kParts.begin(), kParts.end(), want) != kParts.end()) {
    const std::string_view part = part_of_world(region);
    return part == want || (want == "eu" && part == "uk");
  }
  return name.substr(0, want.size()) == want;
}

}  // namespace gpubroker
