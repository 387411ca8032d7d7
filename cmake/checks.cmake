# Checks of the source tree itself, as tests.
find_package(Python3 REQUIRED COMPONENTS Interpreter)
add_test(NAME layers COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tools/check_layers.py
                             ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/layers.txt)
add_test(NAME tidy COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tools/tidy.py)
# Needs the objects: part of the tests only where they are built anyway.
add_test(NAME isa COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tools/check_isa.py ${CMAKE_BINARY_DIR})
