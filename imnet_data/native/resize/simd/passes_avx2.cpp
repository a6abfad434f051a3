#if defined(__x86_64__)

#include "cpu/vectors_avx2.hpp"

#define IMNET_PASSES_NAME kResizeAvx2
#define IMNET_NARROWER_PASSES kResizeScalar
#include "resize/simd/passes_x86.hpp"

#endif
