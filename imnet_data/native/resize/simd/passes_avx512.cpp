#if defined(__x86_64__)

#include "cpu/vectors_avx512.hpp"

#define IMNET_PASSES_NAME kAvx512Passes
#define IMNET_NARROWER_PASSES kAvx2Passes
#include "resize/simd/passes_x86.hpp"

#endif
