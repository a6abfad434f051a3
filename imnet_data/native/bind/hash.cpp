// What Python sees of sha256 and crc32c.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <deque>
#include <stdexcept>
#include <vector>

#include "bind/module.hpp"
#include "hash/sha256.hpp"
#include "kernels.hpp"
#include "verify/record_hashes.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace imnet {
namespace {

nb::bytes to_python(const Sha256::Digest& digest) {
  return nb::bytes(digest.data(), digest.size());
}

nb::bytes digest(const Sha256& sum) { return to_python(sum.digest()); }

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

// [(image, form)] -> [(digest, digest of the original or b"", why it cannot be restored or "", the
// original if it is for decoding)]
nb::list record_sha256(nb::list images, nb::list pieces, Sha256* stream, bool for_decoding) {
  std::deque<Bytes> held;
  std::vector<StoredRecord> records;
  std::vector<Sha256Input> inputs;
  for (nb::handle each : images) {
    const Bytes& bytes = held.emplace_back(each[0]);
    records.push_back({bytes.data(), bytes.size(), StoredForm(nb::cast<int>(each[1]))});
  }
  if (stream != nullptr) {
    inputs.emplace_back(*stream);
    for (nb::handle piece : pieces) {
      const Bytes& bytes = held.emplace_back(piece);
      inputs.back().append(bytes.data(), bytes.size());
    }
  }
  std::vector<RecordHashes> found;
  thread_local RecordHasher hasher;
  {
    const Unlocked unlocked;
    found = hasher.run(records, std::move(inputs), for_decoding);
  }
  nb::list hashes;
  for (size_t i = 0; i < found.size(); ++i) {
    const bool has_original = records[i].form != StoredForm::plain && found[i].restored;
    const nb::bytes original = has_original ? to_python(found[i].original) : nb::bytes("", 0);
    const auto [data, nbytes] = for_decoding ? hasher.original(i) : RecordHasher::Original();
    hashes.append(nb::make_tuple(to_python(found[i].stored), original,
                                 found[i].restored ? std::string() : message(found[i].restored),
                                 nb::bytes(data, nbytes)));
  }
  return hashes;
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
  m.def("record_sha256", &record_sha256, "images"_a, "pieces"_a, "stream"_a.none(),
        "for_decoding"_a);
  m.def("crc32c", &crc32c, "message"_a);
}

}  // namespace imnet
