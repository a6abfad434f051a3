// Cases for the kernels from coefficients to pixels, for stuffing and for SHA-256.
#include <array>
#include <cstring>
#include <memory>

#include "kernel_cases.hpp"

namespace imnet {
namespace {

Bytes guarded(size_t nbytes) { return Bytes(nbytes + kGuard, kGuardByte); }

Case idct_case(Random& random, bool large) {
  struct State {
    alignas(64) int16_t coefficients[64], block[64], quant[64];
    int stride;
    Bytes out;
  };
  const auto state = std::make_shared<State>();
  const int kind = large ? 0 : random.below(4);
  constexpr int kExtremes[] = {-32768, 32767, -32767, 16384, -16384, 2047, -2048, 1, -1, 0};
  for (int i = 0; i < 64; ++i) {
    int value = int16_t(random.word()), factor = int16_t(random.word());
    if (kind == 0) {  // as encoders make them
      value = random.one_in(4) ? random.between(-60, 60) : 0;
      factor = random.between(1, 99);
    } else if (kind == 1) {
      value = kExtremes[random.below(10)];
      factor = random.one_in(2) ? 1 : kExtremes[random.below(10)];
    } else if (kind == 2 && i != 0) {
      value = 0;
    }
    state->coefficients[i] = int16_t(value);
    state->quant[i] = int16_t(factor);
  }
  state->stride = large ? 512 : random.between(8, 40);
  state->out = guarded(size_t(7 * state->stride + 8) + sizeof state->block);
  const auto run = [state](const Kernels& table) -> const Bytes& {
    std::memcpy(state->block, state->coefficients, sizeof state->block);
    table.idct(state->block, state->quant, state->out.data() + sizeof state->block, state->stride);
    std::memcpy(state->out.data(), state->block, sizeof state->block);
    return state->out;
  };
  return {run, 1};
}

template <bool kYcc>
Case color_case(Random& random, bool large) {
  const bool all = !large && random.one_in(100);  // pairs of chroma: which of them round is few
  const int count = large ? 512 : all ? 65536 : random.between(1, 200);
  std::array<Bytes, 3> rows;
  for (Bytes& row : rows) row = random.samples(size_t(count) + 64);
  for (int i = 0; all && i < count; ++i) {
    rows[1][i] = uint8_t(i >> 8);
    rows[2][i] = uint8_t(i);
  }
  const auto run = [rows, count, out = guarded(3 * size_t(count))](
                       const Kernels& table) mutable -> const Bytes& {
    const auto convert = kYcc ? table.color->ycc : table.color->rgb;
    convert(rows[0].data(), rows[1].data(), rows[2].data(), count, out.data());
    return out;
  };
  return {run, double(count)};
}

enum class Upsampling { h2, h2v2, v2 };

template <Upsampling kFilter>
Case upsample_case(Random& random, bool large) {
  const int count = large ? 256 : random.between(1, 200), bias = random.between(1, 2);
  // one sample before each row
  const Bytes near = random.samples(1 + size_t(count) + kRowPadding);
  const Bytes far = random.samples(1 + size_t(count) + kRowPadding);
  const size_t made = size_t(count) * (kFilter == Upsampling::v2 ? 1 : 2);
  const auto run = [near, far, count, bias, made, out = guarded(made + kRowPadding)](
                       const Kernels& table) mutable -> const Bytes& {
    const UpsampleRows& rows = *table.upsample;
    if (kFilter == Upsampling::h2)
      rows.h2(near.data() + 1, count, out.data());
    else if (kFilter == Upsampling::h2v2)
      rows.h2v2(near.data() + 1, far.data() + 1, count, out.data());
    else
      rows.v2(near.data() + 1, far.data() + 1, bias, count, out.data());
    forget(out, made, made + kRowPadding);
    return out;
  };
  return {run, double(made)};
}

// Weights of a resize as images have them, and of one to or from very few pixels.
Axis random_axis(Random& random, bool large) {
  const int inputs = large ? 500 : random.between(1, random.one_in(2) ? 12 : 400);
  const int outputs = large ? 224 : random.between(1, random.one_in(2) ? 12 : 300);
  const int from = large ? 0 : random.below(outputs);
  const int to = large ? outputs : random.between(from + 1, outputs);
  const Filter filter = !large && random.one_in(2) ? Filter::bicubic : Filter::bilinear;
  Axis axis;
  axis.make(inputs, 0.0f, float(inputs), outputs, from, to, filter, !large && random.one_in(2));
  return axis;
}

Case across_case(Random& random, bool large) {
  const Axis axis = random_axis(random, large);
  const int channels = !large && random.one_in(4) ? 1 : 3;
  const int different = large ? kRowsAtOnce : random.between(1, kRowsAtOnce);  // rows, then repeats
  std::vector<Bytes> rows, outs;
  const size_t extent = std::max(row_extent_by_four(axis, channels),
                                 size_t(axis.last - axis.first) * channels);
  for (int r = 0; r < different; ++r) {
    rows.push_back(random.samples(extent));
    outs.push_back(guarded(size_t(axis.outputs) * channels));
  }
  const auto run = [axis, channels, rows, outs, all = Bytes()](
                       const Kernels& table) mutable -> const Bytes& {
    const uint8_t* from[kRowsAtOnce];
    uint8_t* to[kRowsAtOnce];
    for (size_t r = 0; r < kRowsAtOnce; ++r) {
      from[r] = rows[std::min(r, rows.size() - 1)].data();
      to[r] = outs[std::min(r, rows.size() - 1)].data();
    }
    table.resize->across(axis, from, channels, to);
    all.clear();
    for (const Bytes& out : outs) all.insert(all.end(), out.begin(), out.end());
    return all;
  };
  return {run, double(axis.outputs) * kRowsAtOnce};
}

Case down_case(Random& random, bool large) {
  const Axis axis = random_axis(random, large);
  const int index = random.below(axis.outputs);
  const size_t nbytes = large ? 224 * 3 : size_t(random.between(1, 300));
  const size_t stride = nbytes + size_t(large ? 0 : random.below(20));
  const Bytes rows = random.samples(stride * size_t(axis.count[index] - 1) + nbytes);
  const auto run = [axis, index, rows, stride, nbytes, out = guarded(nbytes)](
                       const Kernels& table) mutable -> const Bytes& {
    table.resize->down(axis, index, rows.data(), ptrdiff_t(stride), nbytes, out.data());
    return out;
  };
  return {run, double(nbytes) / 3};
}

// Entropy-coded data with many FF or few, stuffed or not.
Bytes stuffed_like(Random& random, size_t nbytes, bool large) {
  Bytes data = large ? Bytes() : random.samples(nbytes);
  data.resize(nbytes, 0x5A);
  const int rarity = large ? 64 : random.between(2, 80);
  for (size_t i = 0; i + 1 < nbytes; ++i)
    if (random.one_in(rarity)) {
      data[i] = 0xFF;
      if (large || !random.one_in(16)) data[++i] = 0;
    }
  return data;
}

Case marker_case(Random& random, bool large) {
  const size_t nbytes = large ? 8192 : size_t(random.between(1, 300));
  const Bytes data = stuffed_like(random, nbytes, large);
  const auto run = [data, all = Bytes()](const Kernels& table) mutable -> const Bytes& {
    all.clear();
    const uint8_t* const end = data.data() + data.size();
    append_number(all, table.next_marker(data.data(), end) - data.data());
    return all;
  };
  return {run, double(nbytes)};
}

Case unstuff_case(Random& random, bool large) {
  const size_t nbytes = large ? 8192 : size_t(random.between(1, 300));
  const Bytes data = stuffed_like(random, nbytes, large);
  const auto run = [data, nbytes, out = guarded(nbytes), all = Bytes()](
                       const Kernels& table) mutable -> const Bytes& {
    const uint8_t* stop = nullptr;
    const size_t made = table.unstuff(data.data(), data.data() + nbytes, out.data(), &stop);
    forget(out, made, nbytes);
    all = out;
    append_number(all, made);
    append_number(all, stop - data.data());
    return all;
  };
  return {run, double(nbytes)};
}

Case stuff_case(Random& random, bool large) {
  const size_t nbytes = large ? 8192 : size_t(random.below(300));
  const int first = random.below(8);
  const Bytes data = stuffed_like(random, nbytes + kStuffingSlack, large);
  const auto run = [data, nbytes, first, out = guarded(2 * nbytes + kStuffingSlack),
                    all = Bytes()](const Kernels& table) mutable -> const Bytes& {
    const size_t made = size_t(table.stuff(data.data(), first, nbytes, out.data()) - out.data());
    forget(out, made, made + kStuffingSlack);
    all = out;
    append_number(all, made);
    return all;
  };
  return {run, double(nbytes)};
}

template <int kStreams>
Case sha256_case(Random& random, bool large) {
  struct State {
    alignas(16) uint32_t before[kStreams][8], now[kStreams][8];
    Bytes data[kStreams], result;
  };
  const auto state = std::make_shared<State>();
  const size_t blocks = large ? 64 : size_t(random.below(5));
  for (int i = 0; i < kStreams; ++i) {
    for (uint32_t& word : state->before[i]) word = uint32_t(random.word());
    state->data[i] = random.samples(blocks * kShaBlock);
  }
  const auto run = [state, blocks](const Kernels& table) -> const Bytes& {
    uint32_t* states[kStreams];
    const uint8_t* data[kStreams];
    std::memcpy(state->now, state->before, sizeof state->now);
    for (int i = 0; i < kStreams; ++i) {
      states[i] = state->now[i];
      data[i] = state->data[i].data();
    }
    table.sha256[kStreams - 1](states, data, blocks);
    state->result.clear();
    for (int i = 0; i < kStreams; ++i) {
      for (uint32_t word : state->now[i]) append_number(state->result, word);
      append_number(state->result, data[i] - state->data[i].data());
    }
    return state->result;
  };
  return {run, double(blocks * kShaBlock * kStreams)};
}

Case crc32c_case(Random& random, bool large) {
  const auto before = uint32_t(random.word());
  const Bytes data = random.samples(size_t(large ? 110'000 : random.below(random.one_in(2) ? 64 : 10'000)));
  const auto run = [before, data, result = Bytes()](const Kernels& table) mutable -> const Bytes& {
    result.clear();
    append_number(result, table.crc32c(before, data.data(), data.size()));
    return result;
  };
  return {run, double(data.size())};
}

template <NumberType kType>
Case normalize_case(Random& random, bool large) {
  const size_t pixels = size_t(large ? 224 * 224 : random.between(1, 400));
  const Bytes image = random.samples(3 * pixels);
  PerChannel mean, std;
  const float sizes[] = {1e-38f, 1e-6f, 0.01f, 1.0f, 1.0f, 1.0f, 300.0f, 1e38f};  // subnormal to infinite
  for (size_t i = 0; i < 3; ++i) {
    mean[i] = float(random.below(1 << 20)) * 0x1p-20f;
    std[i] = float(random.between(1, 1 << 20)) * 0x1p-20f * (large ? 1 : sizes[random.below(8)]);
  }
  const auto normalization =
      std::make_shared<Normalization>(mean, std, kType, large || random.one_in(2));
  const auto run = [image, normalization, pixels,
                    out = guarded(3 * pixels * number_nbytes(kType))](
                       const Kernels& kernels) mutable -> const Bytes& {
    kernels.normalize(*normalization, image.data(), pixels, out.data());
    return out;
  };
  return {run, 3.0 * double(pixels)};
}

}  // namespace

std::vector<Kernel> pixel_kernels() {
  using K = const Kernels&;
  return {
      {"idct", "block", idct_case, [](K k) { return address(k.idct); }},
      {"upsample_h2", "sample", upsample_case<Upsampling::h2>,
       [](K k) { return address(k.upsample->h2); }},
      {"upsample_h2v2", "sample", upsample_case<Upsampling::h2v2>,
       [](K k) { return address(k.upsample->h2v2); }},
      {"upsample_v2", "sample", upsample_case<Upsampling::v2>,
       [](K k) { return address(k.upsample->v2); }},
      {"color_ycc", "pixel", color_case<true>, [](K k) { return address(k.color->ycc); }},
      {"color_rgb", "pixel", color_case<false>, [](K k) { return address(k.color->rgb); }},
      {"resize_across", "pixel", across_case, [](K k) { return address(k.resize->across); }},
      {"resize_down", "pixel", down_case, [](K k) { return address(k.resize->down); }},
      {"normalize_32", "sample", normalize_case<NumberType::float32>,
       [](K k) { return address(k.normalize); }},
      {"normalize_16", "sample", normalize_case<NumberType::float16>,
       [](K k) { return address(k.normalize); }},
      {"normalize_b16", "sample", normalize_case<NumberType::bfloat16>,
       [](K k) { return address(k.normalize); }},
      {"next_marker", "byte", marker_case, [](K k) { return address(k.next_marker); }},
      {"unstuff", "byte", unstuff_case, [](K k) { return address(k.unstuff); }},
      {"stuff", "byte", stuff_case, [](K k) { return address(k.stuff); }},
      {"sha256_of_1", "byte", sha256_case<1>, [](K k) { return address(k.sha256[0]); }},
      {"sha256_of_2", "byte", sha256_case<2>, [](K k) { return address(k.sha256[1]); }},
      {"sha256_of_3", "byte", sha256_case<3>, [](K k) { return address(k.sha256[2]); }},
      {"crc32c", "byte", crc32c_case, [](K k) { return address(k.crc32c); }},
  };
}

}  // namespace imnet
