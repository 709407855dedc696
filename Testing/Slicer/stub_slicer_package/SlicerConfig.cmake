# Stands for the package of a built Slicer 5.12: what find_package(Slicer) gives an extension that has one scripted module.
set(Slicer_VERSION "5.12")
set(Slicer_USE_FILE "${CMAKE_CURRENT_LIST_DIR}/UseSlicer.cmake")
set(Slicer_USE_PYTHONQT ON)
set(Slicer_LAUNCHER_EXECUTABLE "${CMAKE_COMMAND}")
set(Slicer_EXTENSION_GENERATE_CONFIG "${CMAKE_CURRENT_LIST_DIR}/EndOfExtension.cmake")
set(Slicer_EXTENSION_CPACK "${CMAKE_CURRENT_LIST_DIR}/EndOfExtension.cmake")
set(Slicer_QTSCRIPTEDMODULES_LIB_DIR "lib/Slicer-5.12/qt-scripted-modules")
