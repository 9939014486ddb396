"""NOT PRIVATE: generators without any noise, to compare with. They read real rows and protect nobody."""
