// NEON has nothing that deposits bits: blocks are read without vectors, and transformed with them.
#include "packed/unpack.hpp"

#if defined(__aarch64__)

#include "jpeg/simd/idct_neon.hpp"
#include "packed/scalar_block.hpp"

#define IMNET_UNPACK_TARGET
#define IMNET_UNPACK_NAME unpack_neon
#define IMNET_UNPACK_BLOCK unpack_block_scalar
#define IMNET_SKIP_BLOCK skip_block_scalar
#define IMNET_IDCT idct_block
#include "packed/unpack_loop.hpp"

#endif
