#include "providers/ssh/machine_list.hpp"

#include <doctest/doctest.h>

namespace gpubroker::ssh {
namespace {

Result<std::vector<Machine>> parse(const std::string& text) {
  return parse_machines(text, "/h/machines.yaml", "/home/ann");
}

TEST_CASE("machines.yaml: all of a machine, and one that ssh's own config knows") {
  const auto list = parse(
      "machines:\n"
      "  - {name: box1, host: 10.0.0.5, user: ubuntu, port: 2222, identity: ~/.ssh/lab, gpus: 'h100-pcie:8', "
      "cpus: 96,\n"
      "     memory: 1TiB, price: 11.20, pool: lab, host_key: 'ssh-ed25519 AAAA ann@box', address: "
      "192.168.0.5,\n"
      "     folder: /scratch/gb, offline: true}\n"
      "  - name: box2\n");
  REQUIRE_MESSAGE(list.ok(), list.error().message);
  CHECK(list.value() == std::vector<Machine>{{.name = "box1",
                                              .host = "10.0.0.5",
                                              .user = "ubuntu",
                                              .port = 2222,
                                              .identity = "/home/ann/.ssh/lab",
                                              .host_key = "ssh-ed25519 AAAA",
                                              .address = "192.168.0.5",
                                              .folder = "/scratch/gb",
                                              .gpu = {.model = "H100", .form = "PCIe", .count = 8},
                                              .cpus = 96,
                                              .memory_mib = 1'048'576,
                                              .price = {11'200'000},
                                              .pool = "lab",
                                              .offline = true},
                                             {.name = "box2", .host = "box2"}});
  CHECK(instance_type_of(list.value()[0]) == "8xh100-pcie-96cpu");
  CHECK(instance_type_of(list.value()[1]) == "machine");
  const NodeAddress alias = contact_of(list.value()[1]);
  CHECK(alias.id.value == "ssh/box2");
  CHECK(alias.port == 0);
  CHECK(alias.user.empty());
}

TEST_CASE("machines.yaml: sizes") {
  const auto list =
      parse("machines: [{name: a, memory: 64, gpus: A100-80GB:2}, {name: b, memory: 512 MiB, cpus: 4}]");
  REQUIRE_MESSAGE(list.ok(), list.error().message);
  CHECK(list.value()[0].memory_mib == 65'536);
  CHECK(instance_type_of(list.value()[0]) == "2xa100-80gb");
  CHECK(list.value()[1].memory_mib == 512);
  CHECK(instance_type_of(list.value()[1]) == "4cpu");
}

TEST_CASE("machines.yaml: mistakes are told with their line and field") {
  struct Row {
    const char* text;
    const char* place;
    const char* says;
  };
  for (const Row& row : {
           Row{"machines:\n- name: a\n  gpu: H100\n", "/h/machines.yaml:3",
               "machines.0.gpu: there is no such field"},
           Row{"machines:\n- host: a\n", "/h/machines.yaml:2", "machines.0: `name` is missing"},
           Row{"machines:\n- name: a\n- name: a\n", "/h/machines.yaml:3", "machines.1.name: two machines"},
           Row{"machines:\n- name: a/b\n", "/h/machines.yaml:2", "machines.0.name"},
           Row{"machines:\n- name: a\n  host: -oProxyCommand=x\n", "/h/machines.yaml:3", "machines.0.host"},
           Row{"machines:\n- name: a\n  port: 0\n", "/h/machines.yaml:3", "from 1 to 65535"},
           Row{"machines:\n- name: a\n  gpus: '{H100, A100}:8'\n", "/h/machines.yaml:3", "not one kind"},
           Row{"machines:\n- name: a\n  gpus: any:8\n", "/h/machines.yaml:3", "not one kind"},
           Row{"machines:\n- name: a\n  gpus: 'H100:0'\n", "/h/machines.yaml:3", "count"},
           Row{"machines:\n- name: a\n  memory: much\n", "/h/machines.yaml:3", "memory size"},
           Row{"machines:\n- name: a\n  price: -1\n", "/h/machines.yaml:3", "below zero"},
           Row{"machines:\n- name: a\n  identity: id_lab\n", "/h/machines.yaml:3", "absolute"},
           Row{"machines:\n- name: a\n  host_key: AAAA\n", "/h/machines.yaml:3", "ssh-ed25519"},
           Row{"machines:\n- name: a\n  offline: maybe\n", "/h/machines.yaml:3", "true or false"},
           Row{"machines:\n- name: a\n  pool: [x]\n", "/h/machines.yaml:3", "must be a text"},
           Row{"machines:\n- name: a\nboxes: x\n", "/h/machines.yaml:3", "boxes: there is no such field"},
           Row{"machines: []\n", "/h/machines.yaml:1", "at least one"},
           Row{"", "/h/machines.yaml", "at least one"},
           Row{"machines: [\n", "/h/machines.yaml", "no YAML"},
       }) {
    CAPTURE(row.text);
    const auto list = parse(row.text);
    REQUIRE_FALSE(list.ok());
    CHECK(list.error().kind == ErrorKind::invalid);
    CHECK(list.error().source.starts_with(row.place));
    CHECK_MESSAGE(list.error().message.find(row.says) != std::string::npos, list.error().message);
  }
  CHECK(parse("machines:\n- name: a\n  gpu: H100\n").error().hint == "did you mean `gpus`?");
}

}  // namespace
}  // namespace gpubroker::ssh
