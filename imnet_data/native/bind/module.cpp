#include "bind/module.hpp"

NB_MODULE(_native, m) {
  m.doc() = "The native core of imnet_data: JPEG, resize, loader, hashes.";
  // what daemon threads hold when Python exits is nobody's mistake
  nanobind::set_leak_warnings(false);
  imnet::bind_jpeg(m);
  imnet::bind_pixels(m);
  imnet::bind_read_ahead(m);
  imnet::bind_loader(m);
  imnet::bind_hashes(m);
  imnet::bind_mapping(m);
}
