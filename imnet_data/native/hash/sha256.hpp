// SHA-256 of several streams, up to three at once, by the kernels of hash/compress.hpp.
//
// Source: FIPS 180-4, 5.1.1, 5.3.3.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "hash/compress.hpp"

namespace imnet {

class Sha256 {
 public:
  static constexpr size_t kBlock = kShaBlock;
  using Digest = std::array<uint8_t, 32>;

  void update(const uint8_t* data, size_t nbytes);
  Digest digest() const;

  // Does what `update` does to each of them, with `nbytes` bytes each.
  template <int kLanes>
  static void update_all(Sha256* const (&sums)[kLanes], const uint8_t* const (&data)[kLanes],
                         size_t nbytes);

 private:
  // Fills the block that is begun; returns how many bytes it took.
  size_t fill(const uint8_t* data, size_t nbytes);
  void keep(const uint8_t* data, size_t nbytes);

  alignas(16) std::array<uint32_t, 8> state_{0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A,
                                             0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19};
  std::array<uint8_t, kBlock> block_{};
  uint64_t nbytes_ = 0;
};

// Bytes that are still to be hashed.
class Sha256Input {
 public:
  explicit Sha256Input(Sha256& sum) : sum_(&sum) {}
  void append(const uint8_t* data, size_t nbytes);

  // Hashes all inputs to their ends, three at a time, those that have most first.
  static void run(std::vector<Sha256Input>& inputs);

 private:
  struct Piece {
    const uint8_t* data;
    size_t nbytes;
  };

  template <int kLanes>
  static void advance(Sha256Input* const* inputs);  // up to the end of a piece

  const Piece& first() const { return pieces_[first_]; }
  void skip(size_t nbytes);  // within the first piece

  Sha256* sum_;
  std::vector<Piece> pieces_;  // none is empty
  size_t first_ = 0;           // of the pieces that are left
  size_t nbytes_ = 0;          // that are left
};

}  // namespace imnet
