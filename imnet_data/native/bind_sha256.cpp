// What Python sees of sha256.
#include <nanobind/nanobind.h>

#include <stdexcept>

#include "bind.hpp"
#include "sha256.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace imnet {
namespace {

nb::bytes digest(const Sha256& sum) {
  const Sha256::Digest bytes = sum.digest();
  return nb::bytes(bytes.data(), bytes.size());
}

nb::bytes sha256_beside(nb::handle content, Sha256& stream, nb::handle more) {
  const Bytes whole(content), part(more);
  Sha256 sum;
  {
    nb::gil_scoped_release release;
    Sha256::update_both(sum, whole.data(), whole.size(), stream, part.data(), part.size());
  }
  return digest(sum);
}

Sha256* new_stream() {
  if (!has_sha256_instructions())
    throw std::runtime_error("this machine has no SHA instructions; use hashlib");
  return new Sha256;
}

}  // namespace

void bind_sha256(nb::module_& m) {
  m.def("has_sha256_instructions", &has_sha256_instructions);
  nb::class_<Sha256>(m, "Sha256")
      .def(nb::new_(&new_stream))
      .def("digest", &digest);
  m.def("sha256_beside", &sha256_beside, "content"_a, "stream"_a, "more"_a);
}

}  // namespace imnet
