// Links a library whole with its declared neighbours: see fastptm_library.cmake.
int main() {
  return 0;
}
