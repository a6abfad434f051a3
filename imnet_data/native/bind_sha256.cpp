// What Python sees of sha256.
#include <nanobind/nanobind.h>

#include <algorithm>
#include <deque>
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

// As much of the content goes beside each piece as that has bytes, and the rest at the end.
nb::bytes sha256_beside(nb::handle content, Sha256& stream, nb::list pieces) {
  const Bytes whole(content);
  std::deque<Bytes> parts;
  for (nb::handle piece : pieces) parts.emplace_back(piece);
  Sha256 sum;
  {
    nb::gil_scoped_release release;
    const uint8_t* data = whole.data();
    size_t left = whole.size();
    for (const Bytes& part : parts) {
      const size_t taken = std::min(left, part.size());
      Sha256::update_both(sum, data, taken, stream, part.data(), part.size());
      data += taken;
      left -= taken;
    }
    sum.update(data, left);
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
