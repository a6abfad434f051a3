#include "packed/unpack.hpp"

#if defined(__x86_64__)

#include "jpeg/simd/idct_avx2.hpp"
#include "packed/scalar_block.hpp"

#define IMNET_UNPACK_TARGET IMNET_AVX2
#define IMNET_UNPACK_NAME unpack_avx2_without_pdep
#define IMNET_UNPACK_BLOCK unpack_block_scalar
#define IMNET_SKIP_BLOCK skip_block_scalar
#define IMNET_IDCT idct_block
#include "packed/unpack_loop.hpp"

#endif
