#include "packed/unpack.hpp"

#include "packed/scalar_block.hpp"

#define IMNET_UNPACK_TARGET
#define IMNET_UNPACK_NAME unpack_scalar
#define IMNET_UNPACK_BLOCK unpack_block_scalar
#define IMNET_SKIP_BLOCK skip_block_scalar
#define IMNET_IDCT idct_scalar
#include "packed/unpack_loop.hpp"
