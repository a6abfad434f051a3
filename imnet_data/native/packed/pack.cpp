#include "packed/pack.hpp"

#include <cstring>

#include "packed/block_writer.hpp"

namespace imnet {
namespace {

uint8_t* pack_block(int16_t* coefficients, int difference, uint8_t* out, uint64_t& masks) {
  BlockWriter writer;
  for (int position = 1; position < 64; ++position) {
    int16_t& value = coefficients[kZigzagPlaces[position]];
    if (value != 0) writer.add(position, value);
    value = 0;
  }
  coefficients[0] = 0;
  masks = writer.masks();
  return writer.write(difference, out);
}

}  // namespace
}  // namespace imnet

#define IMNET_SCAN_TARGET
#define IMNET_PACK_NAME pack_scalar
#define IMNET_PACK_BLOCK pack_block
#include "packed/pack_loop.hpp"
