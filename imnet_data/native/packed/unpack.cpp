#include "packed/unpack.hpp"

#include "packed/scalar_block.hpp"
#include "packed/values.hpp"

#define IMNET_UNPACK_TARGET
#define IMNET_UNPACK_NAME unpack_scalar
#define IMNET_UNPACK_BLOCK unpack_block_scalar
#define IMNET_SKIP_BLOCK skip_block_scalar
#define IMNET_IDCT idct_scalar
#include "packed/unpack_loop.hpp"

namespace imnet {

const uint8_t* values_scalar(const uint8_t* next, PackedBlock& block, uint8_t* coded) {
  next = read_packed_block(next, block);
  return take_values(next, block,
                     [&](int position, unsigned value) { coded[position] = uint8_t(value); });
}

}  // namespace imnet
