// What Python sees of mapped files; imnet_data.machine.mapped has the documentation.
#include <nanobind/nanobind.h>

#include "bind/module.hpp"
#include "mapping/guard.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace imnet {
namespace {

int guard(nb::handle mapped, nb::bytes text) {
  const Bytes bytes(mapped);
  return guard_mapping(bytes.data(), bytes.size(), text.c_str());
}

}  // namespace

void bind_mapping(nb::module_& m) {
  m.def("guard_mapping", &guard, "mapped"_a, "text"_a);
  m.def("unguard_mapping", &unguard_mapping, "number"_a);
}

}  // namespace imnet
