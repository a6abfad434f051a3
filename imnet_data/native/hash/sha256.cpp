#include "hash/sha256.hpp"

#include <algorithm>
#include <cstring>

#include "kernels.hpp"

namespace imnet {
namespace {

void compress_one(uint32_t* state, const uint8_t*& data, size_t blocks) {
  kernels().sha256[0](&state, &data, blocks);
}

}  // namespace

size_t Sha256::fill(const uint8_t* data, size_t nbytes) {
  const size_t begun = nbytes_ % kBlock;
  if (begun == 0) return 0;
  const size_t taken = std::min(nbytes, kBlock - begun);
  std::memcpy(block_.data() + begun, data, taken);
  nbytes_ += taken;
  if (begun + taken == kBlock) {
    const uint8_t* block = block_.data();
    compress_one(state_.data(), block, 1);
  }
  return taken;
}

void Sha256::keep(const uint8_t* data, size_t nbytes) {
  if (nbytes != 0) std::memcpy(block_.data(), data, nbytes);
  nbytes_ += nbytes;
}

void Sha256::update(const uint8_t* data, size_t nbytes) {
  const size_t taken = fill(data, nbytes);
  data += taken;
  nbytes -= taken;
  compress_one(state_.data(), data, nbytes / kBlock);
  nbytes_ += nbytes / kBlock * kBlock;
  keep(data, nbytes % kBlock);
}

template <int kLanes>
void Sha256::update_all(Sha256* const (&sums)[kLanes], const uint8_t* const (&data)[kLanes],
                        size_t nbytes) {
  uint32_t* states[kLanes];
  const uint8_t* from[kLanes];
  size_t most_taken = 0;
  for (int i = 0; i < kLanes; ++i) {
    const size_t taken = sums[i]->fill(data[i], nbytes);
    most_taken = std::max(most_taken, taken);
    states[i] = sums[i]->state_.data();
    from[i] = data[i] + taken;
  }
  const size_t blocks = (nbytes - most_taken) / kBlock;
  kernels().sha256[kLanes - 1](states, from, blocks);
  for (int i = 0; i < kLanes; ++i) {
    sums[i]->nbytes_ += blocks * kBlock;
    sums[i]->update(from[i], data[i] + nbytes - from[i]);
  }
}

Sha256::Digest Sha256::digest() const {
  Sha256 ended = *this;
  std::array<uint8_t, kBlock + 8> padding{0x80};
  const size_t zeros = (2 * kBlock - 9 - nbytes_ % kBlock) % kBlock;  // up to the length
  for (int i = 0; i < 8; ++i) padding[1 + zeros + i] = uint8_t(nbytes_ * 8 >> (56 - 8 * i));
  ended.update(padding.data(), 1 + zeros + 8);
  Digest digest;
  for (size_t i = 0; i < digest.size(); ++i)
    digest[i] = uint8_t(ended.state_[i / 4] >> (24 - 8 * (i % 4)));
  return digest;
}

void Sha256Input::append(const uint8_t* data, size_t nbytes) {
  if (nbytes != 0) pieces_.push_back({data, nbytes});
  nbytes_ += nbytes;
}

void Sha256Input::skip(size_t nbytes) {
  Piece& piece = pieces_[first_];
  piece.data += nbytes;
  piece.nbytes -= nbytes;
  first_ += piece.nbytes == 0;
  nbytes_ -= nbytes;
}

template <int kLanes>
void Sha256Input::advance(Sha256Input* const* inputs) {
  Sha256* sums[kLanes];
  const uint8_t* data[kLanes];
  size_t taken = SIZE_MAX;
  for (int i = 0; i < kLanes; ++i) {
    sums[i] = inputs[i]->sum_;
    data[i] = inputs[i]->first().data;
    taken = std::min(taken, inputs[i]->first().nbytes);
  }
  Sha256::update_all<kLanes>(sums, data, taken);
  for (int i = 0; i < kLanes; ++i) inputs[i]->skip(taken);
}

void Sha256Input::run(std::vector<Sha256Input>& inputs) {
  std::sort(inputs.begin(), inputs.end(),
            [](const Sha256Input& a, const Sha256Input& b) { return a.nbytes_ > b.nbytes_; });
  std::array<Sha256Input*, kMaxShaStreams> lanes;
  auto last = lanes.begin();
  auto next = inputs.begin();
  for (;;) {
    for (; last != lanes.end() && next != inputs.end() && next->nbytes_ != 0; ++next) *last++ = &*next;
    if (last - lanes.begin() == 3)
      advance<3>(lanes.data());
    else if (last - lanes.begin() == 2)
      advance<2>(lanes.data());
    else if (last - lanes.begin() == 1)
      advance<1>(lanes.data());
    else
      break;
    last = std::remove_if(lanes.begin(), last,
                          [](const Sha256Input* input) { return input->nbytes_ == 0; });
  }
}

}  // namespace imnet
