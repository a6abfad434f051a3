#if defined(__x86_64__)

#include "cpu/vectors_avx2.hpp"

#define IMNET_PASSES_NAME kAvx2Passes
#define IMNET_NARROWER_PASSES kScalarPasses
#include "resize/simd/passes_x86.hpp"

#endif
