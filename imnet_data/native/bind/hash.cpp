// What Python sees of sha256 and crc32c.
#include <nanobind/nanobind.h>

#include <deque>
#include <stdexcept>
#include <vector>

#include "bind/module.hpp"
#include "hash/sha256.hpp"
#include "kernels.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace imnet {
namespace {

nb::bytes digest(const Sha256& sum) {
  const Sha256::Digest bytes = sum.digest();
  return nb::bytes(bytes.data(), bytes.size());
}

nb::list sha256_beside(nb::list contents, Sha256& stream, nb::list pieces) {
  std::deque<Bytes> held;
  std::vector<Sha256> sums(contents.size());
  std::vector<Sha256Input> inputs(1, Sha256Input(stream));
  const auto append = [&](nb::handle object) {
    const Bytes& bytes = held.emplace_back(object);
    inputs.back().append(bytes.data(), bytes.size());
  };
  for (nb::handle piece : pieces) append(piece);
  for (size_t i = 0; i < sums.size(); ++i) {
    inputs.emplace_back(sums[i]);
    append(contents[i]);
  }
  {
    const Unlocked unlocked;
    Sha256Input::run(inputs);
  }
  nb::list digests;
  for (const Sha256& sum : sums) digests.append(digest(sum));
  return digests;
}

// The scalar code is slower than hashlib.
bool has_sha256_instructions() { return kernels().sha256 != kSha256Scalar; }

Sha256* new_stream() {
  if (!has_sha256_instructions())
    throw std::runtime_error("this machine has no SHA instructions; use hashlib");
  return new Sha256;
}

uint32_t crc32c(nb::handle message) {
  const Bytes bytes(message);
  const Unlocked unlocked;
  return ~kernels().crc32c(~0u, bytes.data(), bytes.size());
}

}  // namespace

void bind_hashes(nb::module_& m) {
  m.def("has_sha256_instructions", &has_sha256_instructions);
  nb::class_<Sha256>(m, "Sha256")
      .def(nb::new_(&new_stream))
      .def("digest", &digest);
  m.def("sha256_beside", &sha256_beside, "contents"_a, "stream"_a, "pieces"_a);
  m.def("crc32c", &crc32c, "message"_a);
}

}  // namespace imnet
