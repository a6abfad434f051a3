// The loop over the blocks of a run; included once for each instruction set, with
// IMNET_UNPACK_TARGET (attributes of every function), IMNET_UNPACK_NAME, IMNET_UNPACK_BLOCK,
// IMNET_SKIP_BLOCK and IMNET_IDCT defined.

namespace imnet {

IMNET_UNPACK_TARGET bool IMNET_UNPACK_NAME(ScanPlan& plan, UnpackStream& stream,
                                           const ScanRun& run) {
  const uint8_t* next = stream.next;
  int16_t* const coefficients = plan.coefficients[0];
  for (int column = run.column; column < run.column + run.count; ++column) {
    const bool wanted = column >= plan.first_column;
    for (int i = 0; i < plan.block_count; ++i) {
      const ScanBlock& block = plan.blocks[i];
      int& prediction = stream.predictions[block.component];
      if (!wanted) {
        next = IMNET_SKIP_BLOCK(next, prediction);
      } else {
        next = IMNET_UNPACK_BLOCK(next, prediction, coefficients);
        IMNET_IDCT(coefficients, block.quant,
                   block.samples + run.row * block.row_step + column * block.column_step,
                   block.stride);
      }
      if (next == nullptr) return false;
    }
    if (next > stream.end) return false;
  }
  stream.next = next;
  return true;
}

}  // namespace imnet
