#if defined(__x86_64__)

#include "simd_avx2.hpp"

#define IMNET_PASSES_NAME kAvx2Passes
#define IMNET_NARROWER_PASSES kScalarPasses
#include "resize_loop.hpp"

#endif
